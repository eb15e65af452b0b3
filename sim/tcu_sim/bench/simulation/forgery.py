"""A wall clock that runs ahead while the kernel calls it synchronised: its keeper (NTP, GNSS) is deceived as well.

Nothing on a board can know that. What the agent promises is that such a clock gives a tracking nothing once it was seen
right again; what it may give when the power fails before that is its error, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SEEN_S: Final = 11.0
"""Within so long the agent has looked at a clock that was set right: every 10 s while it tracks, and a step's time."""


class Forgery:
    """At most one at a time. `now`: true time, s."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.given_s = 0.0
        """How much longer a tracking may have become so far."""
        self._now = now
        self._ahead_s = 0.0
        self._is_on = False
        self._ended_at = float("-inf")

    def begin(self, ahead_s: float) -> None:
        """From now on the clock runs so far ahead."""
        self._ahead_s, self._is_on = ahead_s, True

    def end(self) -> None:
        """The clock is right, or nobody calls it synchronised any more."""
        if self._is_on:
            self._is_on, self._ended_at = False, self._now()

    def power_cut(self) -> None:
        """The power fails."""
        if self._is_on or self._now() - self._ended_at < SEEN_S:
            self.given_s += self._ahead_s
