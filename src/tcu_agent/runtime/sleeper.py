"""Goes to sleep when the core says so, and wakes up when it says so: link down, wake-up timer set, board suspended.

Without a `PowerPort` the board stays on: the link alone is down until the core's own deadline, or the car, brings it
back. A suspend that fails changes nothing else. Whatever wakes the board, the core hears of it and decides.

The next order may come while the one before is carried out, or before that has begun: then it is over, and each step
looks for that, for a cancellation comes some turns of the loop later.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from tcu_agent.core.effects import GoToSleep
from tcu_agent.core.events import CoreEvent, SuspendBegan, TimePassed
from tcu_agent.errors import PowerError
from tcu_agent.ports import PowerPort, RtcPort
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.waiting import wait_first

SETTLE_S: Final = 5.0
"""Of waking time, after a suspend command has returned: the suspend itself may follow it."""
STRAY_SUSPEND_S: Final = 60.0
"""A board that suspends although the car has woken up meanwhile sleeps so long at most."""
_RANDOM_BYTES: Final = 16


class Resting(Protocol):
    """What is needed of `runtime.connection.Connection`."""

    async def rest(self, *, asleep_until_s: int | None, wakes: bool) -> None:
        """Say that the vehicle sleeps, and leave the broker."""

    def resume(self) -> None:
        """Connect again."""


class Sink(Protocol):
    """What is needed of `runtime.pump.Pump`."""

    async def put(self, event: CoreEvent) -> None:
        """Queue one event."""

    async def drain(self) -> None:
        """Return when everything queued so far has been handled."""


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """One order to sleep. `is_over`: another one has taken its place; that never changes back."""

    effect: GoToSleep
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Sleeper:
    """Carries out `GoToSleep` and `WakeUp`. `rtc` and `power`: both, or neither."""

    def __init__(
        self,
        *,
        link: Resting,
        sink: Sink,
        rtc: RtcPort | None,
        power: PowerPort | None,
        around: Surroundings,
    ) -> None:
        self._link = link
        self._sink = sink
        self._rtc = rtc
        self._power = power
        self._around = around
        self._logbook = around.logbook
        self._order: _Order | None = None
        """The last one, None = to be awake."""
        self._news = asyncio.Event()
        self._may_suspend = False
        """The suspend command was started, and it is not settled yet that no suspend follows."""

    def sleep(self, effect: GoToSleep) -> None:
        """Go to sleep, after the effect under way."""
        self._end_order()
        self._order = _Order(effect)
        self._news.set()

    def wake(self) -> None:
        """Be reachable again; what is left of going to sleep is not done."""
        self._end_order()
        self._link.resume()
        if self._may_suspend:
            self._arm(self._around.clock.boottime() + STRAY_SUSPEND_S)
        else:
            self._arm(None)
        self._logbook.info("awake")

    async def run(self) -> None:
        """Go to sleep whenever asked, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            order = self._order
            if order is not None:
                await wait_first(self._go(order), order.is_over.wait())
                await self._settle()

    def _end_order(self) -> None:
        if self._order is not None:
            self._order.is_over.set()
            self._order = None

    async def _go(self, order: _Order) -> None:
        if order.is_over.is_set():  # before this first step
            return
        wanted = order.effect
        self._logbook.info("asleep", wakes_by_itself=str(wanted.wake_at is not None))
        await self._link.rest(
            asleep_until_s=wanted.asleep_until_s, wakes=wanted.wake_at is not None
        )
        if not order.is_over.is_set():
            await self._suspend(order)

    async def _suspend(self, order: _Order) -> None:
        if self._rtc is None or self._power is None:
            return
        try:
            # Before the suspend, and a failure is no suspend: nothing would wake it.
            self._rtc.wake_at(order.effect.wake_at)
            await self._tell(SuspendBegan())
            if order.is_over.is_set():
                return
            self._may_suspend = True
            await self._power.suspend()
        except PowerError as error:
            self._logbook.error("not-suspended", detail=str(error))
            return
        await asyncio.sleep(SETTLE_S)
        if order.is_over.is_set():
            return
        self._may_suspend = False
        # The pump compares clocks before each event: so it sees at once that there was a suspend.
        await self._tell(TimePassed(self._around.entropy.random_bytes(_RANDOM_BYTES)))

    async def _settle(self) -> None:
        """Return once no suspend can follow any more; until then a car that was woken keeps a wake-up timer."""
        if not self._may_suspend:
            return
        await asyncio.sleep(SETTLE_S)
        self._may_suspend = False
        if self._order is None:
            self._arm(None)

    def _arm(self, at: float | None) -> None:
        if self._rtc is not None:
            # Of a board that is awake: it goes on with what was set.
            with contextlib.suppress(PowerError):
                self._rtc.wake_at(at)

    async def _tell(self, event: CoreEvent) -> None:
        await self._sink.put(event)
        await self._sink.drain()
