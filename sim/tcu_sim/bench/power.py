"""The board's wake-up timer and its suspend, simulated: the clocks jump, and nothing runs meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from tcu_agent.errors import PowerError
from tcu_agent.ports import Clock


class SimulatedRtc:
    """The agent's `RtcPort`."""

    def __init__(self, clock: Clock) -> None:
        self.works = True
        """Set by a test."""
        self._clock = clock
        self._wake_at: float | None = None

    def wake_at(self, boottime_s: float | None) -> None:
        """Wake the board then; None = never."""
        if not self.works:
            raise PowerError("the RTC does not answer")
        self._wake_at = boottime_s

    def next_wake(self) -> float | None:
        """Return when, None = nothing is set, or it has passed."""
        is_due = self._wake_at is None or self._wake_at <= self._clock.boottime()
        return None if is_due else self._wake_at


class SimulatedPower:
    """The agent's `PowerPort`: `suspend(duration_s)` lets the clocks jump to what the RTC is set to."""

    def __init__(
        self, *, rtc: SimulatedRtc, now: Callable[[], float], suspend: Callable[[float], None]
    ) -> None:
        self.works = True
        """Set by a test."""
        self.wakes_early_s: float | None = None
        """Set by a test: something other than the RTC ends the next suspend after so long."""
        self.suspends: list[float] = []
        """How long each lasted, s; one that only the car could end is infinite, and did not happen."""
        self._rtc = rtc
        self._now = now
        self._suspend = suspend

    async def suspend(self) -> None:
        """Suspend until the RTC wakes the board."""
        if not self.works:
            raise PowerError("the board does not suspend")
        wake_at = self._rtc.next_wake()
        duration_s = float("inf") if wake_at is None else wake_at - self._now()
        if self.wakes_early_s is not None:
            duration_s, self.wakes_early_s = self.wakes_early_s, None
        self.suspends.append(duration_s)
        if duration_s != float("inf"):
            self._suspend(duration_s)
