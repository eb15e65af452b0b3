"""Time as Linux has it: CLOCK_BOOTTIME counts suspend; the wall clock is believed above a floor."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

from tcu_agent.adapters.timerfd import BoottimeTimer, libc

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
"""Source: Linux, random(4): a UUID drawn when the kernel boots."""

TIME_ERROR = 5
"""Source: Linux, adjtimex(2): what it returns while the clock is not synchronised."""
TIMEX_BYTES = 512
"""More than any architecture's struct timex (208 on 64-bit machines)."""

NO_BOOT_SESSION = ""
"""What `boot_session` says where /proc has no boot id: then no stored boot time may be trusted, and
the core treats every start as one after a reboot, which is the safe side."""

BUILD_FLOOR_S = 1_793_491_200
"""2026-11-01T00:00:00Z: this code did not exist before, so a wall clock below it is wrong."""


class SystemClock:
    """The `Clock` port.

    `floor_s`, s since 1970-01-01: below it the wall clock is known to be wrong. It is the later of
    this build and what is passed in, such as the issue time of the trust bundle.
    """

    def __init__(
        self,
        *,
        floor_s: float = BUILD_FLOOR_S,
        boot_id_file: Path = BOOT_ID_FILE,
        clock_state: Callable[[], int] | None = None,
    ) -> None:
        """`clock_state`: what adjtimex(2) returns; None = ask the kernel."""
        self._floor_s = max(floor_s, BUILD_FLOOR_S)
        self._clock_state = clock_state or kernel_clock_state
        self._boot_session = _read_boot_id(boot_id_file)

    def boottime(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float | None:
        """Return seconds since 1970-01-01, or None while the clock stands before the floor."""
        now_s = time.time()
        return now_s if now_s >= self._floor_s else None

    def is_synchronised(self) -> bool:
        """Return what the kernel says of its clock: no error, and not `TIME_ERROR`. Source: Linux, adjtimex(2)."""
        return 0 <= self._clock_state() < TIME_ERROR

    def boot_session(self) -> str:
        """Return the kernel's boot id, or "" where there is none."""
        return self._boot_session

    async def wait_until(self, boottime_s: float) -> None:
        """Return when CLOCK_BOOTTIME has reached `boottime_s`, also right after a suspend."""
        while self.boottime() < boottime_s:
            with BoottimeTimer() as timer:
                await timer.wait_until(boottime_s)


def kernel_clock_state() -> int:
    """Return what adjtimex(2) returns when it is only asked: 0 to 5, below 0 = it failed."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # all zero, so are its `modes`: nothing is set
    return int(libc.adjtimex(timex))


def _read_boot_id(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return NO_BOOT_SESSION
