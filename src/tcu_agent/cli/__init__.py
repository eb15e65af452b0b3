"""The command line: thin, one module a sub-command, each loading only what it needs."""
