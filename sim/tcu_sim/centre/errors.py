"""What a service answers when it does not do what it was asked.

And what can fail between services.
"""

from __future__ import annotations

from tcu_sim.errors import SimulatorError


class CentreError(SimulatorError):
    """Root of the centre's errors."""


class Denied(CentreError):
    """A service refuses. `word` is stable; `detail` is for people and holds nothing secret."""

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(f"{word}: {detail}" if detail else word)
        self.word = word
        self.detail = detail


class BadCall(CentreError):
    """A call lacks a field, or a field has not the form asked for."""


class NotAllowed(CentreError):
    """The caller's token is unknown here, or the caller may not use this operation."""


class ServiceUnreachable(CentreError):
    """Another service of the centre does not answer."""
