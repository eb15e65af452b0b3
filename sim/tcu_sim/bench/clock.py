"""The bench's clock and randomness: what the tests move, the agent sees; no two runs differ."""

from __future__ import annotations

import asyncio
import hashlib
import math

START_WALL_S = 1_800_000_000.0
"""Wall clock at the start of a run, s since 1970-01-01: some day in January 2027."""


class SimulatedClock:
    """The agent's `Clock` on a simulated loop.

    The loop's time stands for CLOCK_MONOTONIC. CLOCK_BOOTTIME is that plus all suspends; the wall
    clock goes with CLOCK_BOOTTIME until a test sets it. The true time goes on whatever is set.
    """

    def __init__(self, *, boottime_s: float = 1000.0, wall_s: float | None = START_WALL_S) -> None:
        self._offset_s = boottime_s
        self._wall_offset_s = None if wall_s is None else wall_s - boottime_s
        self._true_offset_s = (START_WALL_S if wall_s is None else wall_s) - boottime_s
        self._session = 1
        self.synchronised = True
        """Set by a test: False = the wall clock was only restored from a disk."""
        # A dict for its order: who waited first is woken first, in every run.
        self._waiting: dict[asyncio.Future[None], None] = {}

    def boottime(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return asyncio.get_running_loop().time() + self._offset_s

    def wall(self) -> float | None:
        """Return seconds since 1970-01-01, or None while no wall clock is known."""
        return None if self._wall_offset_s is None else self.boottime() + self._wall_offset_s

    def is_synchronised(self) -> bool:
        """Return whether the wall clock is set by something outside."""
        return self.synchronised

    def boot_session(self) -> str:
        """Return an id that `reboot` changes."""
        return f"boot-session-{self._session}"

    async def wait_until(self, boottime_s: float) -> None:
        """Return when `boottime` has reached `boottime_s`, through suspends."""
        while self.boottime() < boottime_s:
            await self._wait_once(boottime_s)

    def suspend(self, duration_s: float) -> None:
        """Let the board sleep: CLOCK_BOOTTIME and the wall clock go on, the loop's does not."""
        self._offset_s += duration_s
        self._look_again()

    def reboot(self, *, off_s: float = 5.0) -> None:
        """Start the kernel anew: CLOCK_BOOTTIME starts at 0, the wall clock went on for `off_s`."""
        wall_s, true_s = self.wall(), self.boottime() + self._true_offset_s
        self._session += 1
        self._offset_s = -asyncio.get_running_loop().time()
        self._true_offset_s = true_s + off_s - self.boottime()
        if wall_s is not None:
            self.set_wall(wall_s + off_s)
        self._look_again()

    def set_wall(self, wall_s: float | None) -> None:
        """Set the wall clock (None: not known); CLOCK_BOOTTIME does not care."""
        self._wall_offset_s = None if wall_s is None else wall_s - self.boottime()

    def set_wrong(self, by_s: float | None) -> None:
        """Let somebody set the wall clock so far ahead of the true time (None: not known); nothing keeps it right."""
        self.set_wall(None if by_s is None else self.boottime() + self._true_offset_s + by_s)
        self.synchronised = False

    def set_right(self) -> None:
        """Let something outside (NTP, GNSS) set the wall clock right, and keep it right."""
        self.set_wall(self.boottime() + self._true_offset_s)
        self.synchronised = True

    async def _wait_once(self, boottime_s: float) -> None:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        timer = loop.call_at(self._loop_time(boottime_s), _wake, woken)
        self._waiting[woken] = None
        try:
            await woken
        finally:
            timer.cancel()
            self._waiting.pop(woken, None)

    def _loop_time(self, boottime_s: float) -> float:
        # Never one ulp early: the waiter would spin without time passing.
        when = boottime_s - self._offset_s
        while when + self._offset_s < boottime_s:
            when = math.nextafter(when, math.inf)
        return when

    def _look_again(self) -> None:
        for woken in self._waiting:
            _wake(woken)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class SeededEntropy:
    """The agent's `Entropy` from a seed: SHA-256 of a counter. For benches only."""

    def __init__(self, seed: str = "bench") -> None:
        self._seed = seed
        self._count = 0

    def random_bytes(self, length: int) -> bytes:
        """Return the next `length` bytes of the seed's stream."""
        stream = b""
        while len(stream) < length:
            self._count += 1
            stream += hashlib.sha256(f"{self._seed} {self._count}".encode()).digest()
        return stream[:length]
