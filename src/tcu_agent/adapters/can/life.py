"""Whether one bus lives: awake or asleep, error-active, bus-off or gone. Sans I/O; times are CLOCK_BOOTTIME, s."""

from __future__ import annotations

import math

from tcu_agent.adapters.can.faults import (
    BUS_OFF,
    BUS_OFF_LASTS_S,
    ERROR_ACTIVE,
    LINK_DOWN,
    RESTARTED,
)
from tcu_agent.core.events import BusFaulted, BusWokeUp, CoreEvent

_DISCONNECTED = frozenset({BUS_OFF, LINK_DOWN})
"""States in which silence is no sleep."""
_OVER_WHEN_HEARD = _DISCONNECTED | {RESTARTED}


class BusLife:
    """State of one bus, from the frames that were heard and the faults that were told."""

    def __init__(self, bus: str, *, asleep_after_s: float | None, started_at: float) -> None:
        """`asleep_after_s`: silence of a sleeping bus; None = it never sleeps."""
        self._bus = bus
        self.asleep_after_s = math.inf if asleep_after_s is None else asleep_after_s
        self._heard_at = started_at
        self._is_asleep = False
        self._state = ERROR_ACTIVE
        self._told_until = -math.inf
        """What is stamped earlier is older than the state, and says nothing about it."""

    @property
    def is_asleep(self) -> bool:
        """Whether the bus sleeps."""
        return self._is_asleep

    @property
    def is_plain(self) -> bool:
        """Whether hearing another node would be no news."""
        return not self._is_asleep and self._state not in _OVER_WHEN_HEARD

    @property
    def heard_at(self) -> float:
        """When another node was heard last."""
        return self._heard_at

    @property
    def asleep_at(self) -> float:
        """When it will be asleep if nothing more is heard; infinite while silence is no sleep."""
        if self._is_asleep or self._state in _DISCONNECTED:
            return math.inf
        return self._heard_at + self.asleep_after_s

    @property
    def goes_stale_by_timer(self) -> bool:
        """Whether a signal gets stale by time alone; else only while other frames come."""
        return math.isinf(self.asleep_after_s) or self._state in _DISCONNECTED

    def heard(self, at: float, stamped_at: float) -> list[CoreEvent]:
        """A frame came from another node: the bus is awake, and works if it did not come before it failed.

        `stamped_at`: its own time, where `at` is never before that of an earlier frame.
        """
        self._heard_at = at
        if self.is_plain:
            return []
        is_older = self._state in _OVER_WHEN_HEARD and stamped_at < self._told_until
        events: list[CoreEvent] = [] if is_older else self.faulted(ERROR_ACTIVE)
        if self._is_asleep:
            self._is_asleep = False
            events.append(BusWokeUp(self._bus, at))
        return events

    def fell_asleep(self) -> None:
        """`asleep_at` has come."""
        self._is_asleep = True

    def told(self, state: str | None, at: float) -> list[CoreEvent]:
        """The controller told a state at that time (None: it told something else)."""
        if state in _OVER_WHEN_HEARD:
            self._told_until = at + (BUS_OFF_LASTS_S if state == BUS_OFF else 0.0)
        if state == RESTARTED:
            self._heard_at = max(
                at, self._heard_at
            )  # what was not heard while it was off is no silence
        return [] if state is None else self.faulted(state)

    def faulted(self, state: str) -> list[CoreEvent]:
        """The bus is in this state now."""
        if state == self._state:
            return []
        self._state = state
        return [BusFaulted(self._bus, state)]

    def restored(self, at: float) -> list[CoreEvent]:
        """The interface is back after it was gone: from now on silence may be sleep."""
        if self._state != LINK_DOWN:
            return []
        self._heard_at, self._is_asleep = at, False
        return self.faulted(ERROR_ACTIVE)
