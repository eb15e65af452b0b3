"""Command service: requests, grants, incidents and calls, and what the vehicles report.

It never sees a PIN or a position.
"""
