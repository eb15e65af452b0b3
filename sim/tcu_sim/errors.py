"""Every error of the simulator, one tree.

    SimulatorError
    +-- BadInput          an option, a file or a command line of a person is wrong (exit status 2)
    +-- (each room adds its own below this root)

Nothing here derives from the agent's tree: the two programs share no decisions.
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Root of the tree."""


class BadInput(SimulatorError):
    """Something a person wrote is wrong: the message says where, what, and what to do."""
