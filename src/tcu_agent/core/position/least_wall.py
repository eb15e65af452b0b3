"""The wall clock by which a tracking's rest may be proven after a power cut: at the lowest that it ever stood.

A clock that ran ahead when the rest was stored, and is set right with the power off, would make the time without power
look shorter than it was, and the tracking longer. So what is stored is not what the clock says at that moment, but the
smallest difference to CLOCK_BOOTTIME that was seen since acceptance: a clock that stood lower for once takes time away,
none gives any.
"""

from __future__ import annotations

from dataclasses import dataclass

NEWS_S = 1.0
"""How much lower it must have stood to be stored at once, and not with the next fix: a clock that is slewed drifts."""

WALL_LOOK_S = 10.0
"""How often it is looked at, at least: a clock that is set right within so long of a power cut was not seen to be."""


@dataclass(slots=True)
class LeastWall:
    """`offset_s`: smallest wall clock minus CLOCK_BOOTTIME, None = never known. `stored_s`: what of it is durable."""

    offset_s: float | None = None
    stored_s: float | None = None

    def look(self, *, now: float, wall: float | None) -> None:
        """Take note of both clocks; `wall` = None says nothing."""
        if wall is not None:
            offset_s = wall - now
            self.offset_s = offset_s if self.offset_s is None else min(self.offset_s, offset_s)

    @property
    def is_news(self) -> bool:
        """Whether what is durable would prove too much, or nothing."""
        if self.offset_s is None:
            return False
        return self.stored_s is None or self.stored_s - self.offset_s >= NEWS_S

    def store(self, now: float) -> float | None:
        """Return what to make durable as the wall clock of `now`."""
        self.stored_s = self.offset_s
        return None if self.offset_s is None else now + self.offset_s
