"""Enrolment against the simulator's own EST server."""
