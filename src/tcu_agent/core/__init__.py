"""The core decides. It has no I/O, no clock, no randomness, no log and no event loop."""
