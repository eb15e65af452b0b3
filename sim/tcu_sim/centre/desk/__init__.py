"""Theft desk: theft cases, approval of positions, and the only place where a position can be read."""
