"""From the kernel's receive stamps, which are CLOCK_REALTIME, to CLOCK_BOOTTIME.

The wall clock may be set while frames lie in the socket. A stamp is then of the clock before or after; the two make
it younger or older by the same step. The way that makes it the youngest without putting it into the future is right in
all four cases (step forward or back, stamped before or after it).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

TIMESPEC = struct.Struct("=qq")
"""Seconds, nanoseconds; SO_TIMESTAMPNS_NEW has 64 bits each on every architecture."""
OLDEST_STAMP_S = 5.0
"""Nothing lies in the socket for longer; an older stamp is of another clock."""
_STEP_S = 0.001
"""A difference of the clocks that changes by more was a step, not the slow correction of NTP (at most 500 ppm)."""
_NANO = 1e-9


class StampClock:
    """Converts the stamps of one reader."""

    def __init__(self, *, boottime: Callable[[], float], wall: Callable[[], float]) -> None:
        """`wall`: CLOCK_REALTIME in seconds, however wrong."""
        self._boottime = boottime
        self._wall = wall
        self._offset = boottime() - wall()
        self._before: float | None = None
        self.now = 0.0
        """CLOCK_BOOTTIME at the last `look`."""

    def look(self) -> None:
        """Read both clocks; once for each batch of stamps, after the last of them was made."""
        self.now = self._boottime()
        offset = self.now - self._wall()
        stepped = abs(offset - self._offset) > _STEP_S
        self._before = self._offset if stepped else None
        self._offset = offset

    def boottime_of(self, stamp: bytes) -> float:
        """Return when that was, by CLOCK_BOOTTIME in seconds; the last look if the stamp cannot be of this clock."""
        seconds, nanoseconds = TIMESPEC.unpack(stamp)
        wall = seconds + nanoseconds * _NANO
        at = wall + self._offset
        if self._before is not None:
            at = max((one for one in (at, wall + self._before) if one <= self.now), default=at)
        return at if self.now - OLDEST_STAMP_S <= at <= self.now else self.now
