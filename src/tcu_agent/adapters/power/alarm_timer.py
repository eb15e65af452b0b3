"""Waking the board with a timer on CLOCK_BOOTTIME_ALARM: the kernel sets its RTC for it, and shares that with others.

Writing /sys/class/rtc/rtc0/wakealarm would do as well, but has room for one time alone, in the RTC's own clock.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import time
from typing import Final

from tcu_agent.adapters.timerfd import Itimerspec, checked, libc
from tcu_agent.errors import PowerError

CLOCK_BOOTTIME_ALARM: Final = 9
"""Source: Linux, include/uapi/linux/time.h. Python does not name it."""
_TFD_TIMER_ABSTIME: Final = 1
_NS: Final = 1_000_000_000
_HINT: Final = "it needs CAP_WAKE_ALARM (docs/availability.md)"


class AlarmTimer:
    """The `RtcPort`: one timerfd, open as long as the agent lives."""

    def __init__(self) -> None:
        """Open it, set to nothing.

        Raises:
            PowerError: the kernel does not let us wake the board.
        """
        self._wake_at: float | None = None
        try:
            self._fd = checked(
                libc.timerfd_create(CLOCK_BOOTTIME_ALARM, os.O_NONBLOCK | os.O_CLOEXEC)
            )
        except OSError as error:
            raise PowerError(_words(error)) from error

    def wake_at(self, boottime_s: float | None) -> None:
        """Wake the board at `boottime_s`, and at no other time; None = never.

        Raises:
            PowerError: the kernel does not let us.
        """
        # An expiry of zero is what takes it back.
        expiry_ns = 0 if boottime_s is None else max(1, math.ceil(boottime_s * _NS))
        spec = Itimerspec(0, 0, *divmod(expiry_ns, _NS))
        try:
            checked(libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))
        except OSError as error:
            raise PowerError(_words(error)) from error
        self._wake_at = boottime_s

    def next_wake(self) -> float | None:
        """Return when the board will be woken, CLOCK_BOOTTIME, s; None = nothing is set, or it has passed."""
        # Not timerfd_gettime: of an alarm that was taken back, Linux still says when it would have come.
        is_ahead = self._wake_at is not None and self._wake_at > time.clock_gettime(
            time.CLOCK_BOOTTIME
        )
        return self._wake_at if is_ahead else None

    def close(self) -> None:
        """Take it back for good."""
        os.close(self._fd)


def _words(error: OSError) -> str:
    hint = f": {_HINT}" if error.errno in {errno.EPERM, errno.EACCES} else ""
    return f"no wake-up timer: {error.strerror}{hint}"
