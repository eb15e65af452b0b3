"""The last look at an effect's `not_after`, where nothing slow stands between the look and the deed."""

from __future__ import annotations

from tcu_agent.errors import DeadlinePassedError
from tcu_agent.ports import Clock


def time_left_s(not_after: float, clock: Clock) -> float:
    """Return how long the effect may still take, s; the last moment itself is in time.

    Raises:
        DeadlinePassedError: `not_after` (CLOCK_BOOTTIME, s) has passed.
    """
    left_s = not_after - clock.boottime()
    if left_s < 0:
        raise DeadlinePassedError(f"{-left_s:.3f} s too late")
    return left_s
