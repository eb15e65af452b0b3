"""From the kernel's receive stamps, which are CLOCK_REALTIME, to CLOCK_BOOTTIME.

The wall clock may be set while frames lie in the socket. A stamp is then of the clock before or after; the two make
it younger or older by the same step. The way that makes it the youngest without putting it into the future is right in
all four cases (step forward or back, stamped before or after it).

How long a frame lay there says nothing against its stamp: an agent that was held up for a minute finds frames that are
a minute old, and a door that was open for a second of it was open for that second. But nothing lies in a socket that
came before somebody last found it empty: an older stamp is of another clock.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

TIMESPEC = struct.Struct("=qq")
"""Seconds, nanoseconds; SO_TIMESTAMPNS_NEW has 64 bits each on every architecture."""
_STEP_S = 0.001
"""A difference of the clocks that changes by more was a step, not the slow correction of NTP (at most 500 ppm)."""
_MOST_STEPS = 8
"""Remembered at a time; who sets the clock more often while we cannot read gets the time of reading."""
_NANO = 1e-9


class StampClock:
    """Converts the stamps of one reader. All times are CLOCK_BOOTTIME in seconds if nothing else is said."""

    def __init__(self, *, boottime: Callable[[], float], wall: Callable[[], float]) -> None:
        """`wall`: CLOCK_REALTIME in seconds, however wrong."""
        self._boottime = boottime
        self._wall = wall
        self.now = boottime()
        """At the last `look`."""
        self._offset = self.now - wall()
        self._offsets_before: tuple[float, ...] = ()
        self._looked_before = self.now
        self._was_emptied = False
        self._oldest = 0.0
        """What waits came after this; at first, after the boot."""

    def look(self, *, is_emptied: bool = True) -> None:
        """Read both clocks; once for each batch of stamps, after the last of them was made.

        `is_emptied`: nothing was left behind this batch.
        """
        if self._was_emptied:
            # By the batch before: what came since was stamped after that one was begun.
            self._oldest = self._looked_before - _STEP_S
            self._offsets_before = ()
        self._was_emptied = is_emptied
        self._looked_before, self.now = self.now, self._boottime()
        offset = self.now - self._wall()
        if abs(offset - self._offset) > _STEP_S:
            self._offsets_before = (*self._offsets_before, self._offset)[-_MOST_STEPS:]
        self._offset = offset

    def boottime_of(self, stamp: bytes) -> float:
        """Return when the kernel made this stamp; the last look if it cannot be of this clock."""
        seconds, nanoseconds = TIMESPEC.unpack(stamp)
        return self.boottime_at(seconds + nanoseconds * _NANO)

    def boottime_at(self, wall: float) -> float:
        """As `boottime_of`, for a stamp in seconds."""
        at = wall + self._offset
        if self._offsets_before:
            each = (at, *(wall + offset for offset in self._offsets_before))
            return max((one for one in each if self._oldest <= one <= self.now), default=self.now)
        return at if self._oldest <= at <= self.now else self.now
