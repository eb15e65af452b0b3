"""The command line: joins the sub-commands that each part of the simulator brings."""
