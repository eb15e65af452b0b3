"""The runtime, and what a person writes for it: configuration, command line, log."""
