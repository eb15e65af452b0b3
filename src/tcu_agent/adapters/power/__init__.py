"""Letting the board suspend, and waking it again."""
