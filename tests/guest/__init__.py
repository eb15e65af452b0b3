"""The runner of guests (scripts/guest), tried on a machine that is a plain process."""
