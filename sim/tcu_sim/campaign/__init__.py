"""Kills a real agent again and again, restarts it, and counts what must never happen."""
