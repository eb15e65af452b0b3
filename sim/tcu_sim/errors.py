"""Every error of the simulator, one tree.

    SimulatorError
    +-- BadInput          an option, a file or a command line of a person is wrong (exit status 2)
    |   +-- CommandError  one line of a command language; knows its column
    |   +-- NotPossible   an act that the world does not allow, such as opening a locked door
    +-- ExpectationFailed a script's `expect` has waited in vain (exit status 1)
    +-- MalformedFrame    bytes of a node that are no slcan frame (counted, answered with BEL)
    +-- BusUnreachable    the CAN interface cannot be opened, or went away
    +-- (each room adds its own below this root)

Nothing here derives from the agent's tree: the two programs share no decisions.
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Root of the tree."""


class BadInput(SimulatorError):
    """Something a person wrote is wrong: the message says where, what, and what to do."""


class CommandError(BadInput):
    """One line of a command language is wrong.

    `column` counts from 1 and points at the first character that could not be understood.
    """

    def __init__(self, what: str, *, column: int, hint: str = "") -> None:
        super().__init__(f"column {column}: {what}" + (f" ({hint})" if hint else ""))
        self.what = what
        self.column = column
        self.hint = hint


class NotPossible(BadInput):
    """The world does not allow it; nothing has changed."""


class ExpectationFailed(SimulatorError):
    """What a script expected did not happen."""


class MalformedFrame(SimulatorError):
    """A node sent bytes that are no frame."""


class BusUnreachable(SimulatorError):
    """The CAN interface cannot be opened, or it went away under way."""
