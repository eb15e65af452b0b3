"""Tests of the demo: its parts, the whole story once, and agents that lie."""
