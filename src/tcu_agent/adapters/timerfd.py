"""A timer on CLOCK_BOOTTIME through timerfd(2), which Python has from 3.13 on only.

asyncio's own timers run on CLOCK_MONOTONIC: a deadline of two minutes would come after two minutes
of *waking* time, hours late when the board was suspended. This one fires when the board is back.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import math
import os
import time
from types import TracebackType
from typing import Self

_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_NS = 1_000_000_000


# struct itimerspec: interval s and ns (none here), then expiry s and ns. glibc's unsuffixed symbols
# take C longs on 32-bit and 64-bit machines alike.
Itimerspec = ctypes.c_long * 4

libc = ctypes.CDLL(None, use_errno=True)


class BoottimeTimer:
    """One timerfd, closed when the block ends, whatever happened."""

    def __init__(self) -> None:
        self._fd = checked(libc.timerfd_create(time.CLOCK_BOOTTIME, _TFD_NONBLOCK | _TFD_CLOEXEC))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    async def wait_until(self, boottime_s: float) -> None:
        """Return when CLOCK_BOOTTIME has reached `boottime_s` (at least; may be cancelled)."""
        self._set(math.ceil(boottime_s * _NS))
        loop = asyncio.get_running_loop()
        fired = loop.create_future()
        loop.add_reader(self._fd, _fire, fired)
        try:
            await fired
        finally:
            loop.remove_reader(self._fd)

    def _set(self, boottime_ns: int) -> None:
        # An expiry of zero would disarm the timer instead of firing it.
        seconds, nanoseconds = divmod(max(boottime_ns, 1), _NS)
        spec = Itimerspec(0, 0, seconds, nanoseconds)
        checked(libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))


def _fire(fired: asyncio.Future[None]) -> None:
    if not fired.done():
        fired.set_result(None)


def checked(result: int) -> int:
    """Return what a function of `libc` returned.

    Raises:
        OSError: it failed.
    """
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"timerfd: {errno.errorcode.get(code, code)}")
    return result
