"""Whole runs of the agent on simulated time, each judged by the oracle at its end."""
