"""The heart: one event at a time into the core, all its effects out in order, before the next event.

The bounded queue makes a flood wait at its source. The core's own deadlines come before queued events, but never twice
in a row while events wait, so that neither can starve the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from tcu_agent.core.effects import Effect
from tcu_agent.core.events import CoreEvent, EffectFailed, TimePassed
from tcu_agent.errors import KeyStoreError, StorageError, TransportError
from tcu_agent.ports import Clock, Entropy
from tcu_agent.runtime.logbook import Logbook

QUEUE_EVENTS = 256
"""About two seconds of a busy bus after debounce; a core step takes well under a millisecond."""
MOST_FAILURES_IN_A_ROW = 16
"""The core answers a failure with effects, which may fail too; after so many the rest is dropped."""
_RANDOM_BYTES = 16

Perform = Callable[[Effect], Awaitable[None]]


class Decider(Protocol):
    """What the pump needs of `core.agent.Core`."""

    def start(self, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what a start has to do."""

    def handle(self, event: CoreEvent, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what to do about `event`."""

    def next_deadline(self) -> float | None:
        """Return when `TimePassed` is wanted next."""


class Pump:
    """Queue, core and effects. It implements the `EventSink` port."""

    def __init__(
        self,
        *,
        core: Decider,
        perform: Perform,
        clock: Clock,
        entropy: Entropy,
        logbook: Logbook,
    ) -> None:
        self._core = core
        self._perform = perform
        self._clock = clock
        self._entropy = entropy
        self._logbook = logbook
        self._queue: asyncio.Queue[CoreEvent] = asyncio.Queue(QUEUE_EVENTS)
        self._news = asyncio.Event()
        self._rang = False
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at: float | None = None

    async def put(self, event: CoreEvent) -> None:
        """Queue one event; waits when the queue is full."""
        await self._queue.put(event)
        self._news.set()

    async def put_all(self, events: Iterable[CoreEvent]) -> None:
        """Queue events in their order."""
        for event in events:
            await self.put(event)

    async def drain(self) -> None:
        """Return when everything queued so far has been handled, effects included."""
        await self._queue.join()

    async def run(self) -> None:
        """Start the core, then handle events until cancelled."""
        async with asyncio.TaskGroup() as group:
            now, wall = self._clock.boottime(), self._clock.wall()
            await self._settle(self._core.start(now=now, wall=wall))
            while True:
                event, is_queued = await self._next(group)
                await self._settle(self._decide(event))
                if is_queued:
                    self._queue.task_done()
                # Others must run even when there is always something to do.
                await asyncio.sleep(0)

    async def _next(self, group: asyncio.TaskGroup) -> tuple[CoreEvent, bool]:
        while True:
            self._news.clear()
            if self._is_due() and not (self._rang and self._queue.qsize()):
                self._rang = True
                return TimePassed(self._entropy.random_bytes(_RANDOM_BYTES)), False
            if self._queue.qsize():
                self._rang = False
                return self._queue.get_nowait(), True
            self._set_alarm(group)
            await self._news.wait()

    def _is_due(self) -> bool:
        deadline = self._core.next_deadline()
        return deadline is not None and deadline <= self._clock.boottime()

    def _set_alarm(self, group: asyncio.TaskGroup) -> None:
        deadline = self._core.next_deadline()
        if self._alarm is not None:
            if deadline == self._alarm_at and not self._alarm.done():
                return
            self._alarm.cancel()
        self._alarm_at = deadline
        self._alarm = (
            None if deadline is None else group.create_task(self._ring(deadline), name="core timer")
        )

    async def _ring(self, deadline: float) -> None:
        await self._clock.wait_until(deadline)
        self._news.set()

    async def _settle(self, effects: tuple[Effect, ...]) -> None:
        """Carry out effects; a failure goes into the core before anything else does."""
        for _ in range(MOST_FAILURES_IN_A_ROW):
            failure = await self._carry_out(effects)
            if failure is None:
                return
            effects = self._decide(failure)
        self._logbook.error("effects-keep-failing", dropped=len(effects))

    def _decide(self, event: CoreEvent) -> tuple[Effect, ...]:
        return self._core.handle(event, now=self._clock.boottime(), wall=self._clock.wall())

    async def _carry_out(self, effects: tuple[Effect, ...]) -> EffectFailed | None:
        for effect in effects:
            try:
                await self._perform(effect)
            except TransportError as error:
                return self._failure(effect, error, may_have_happened=error.may_have_happened)
            except (StorageError, KeyStoreError) as error:
                return self._failure(effect, error, may_have_happened=False)
        return None

    def _failure(
        self, effect: Effect, error: Exception, *, may_have_happened: bool
    ) -> EffectFailed:
        self._logbook.error("effect-failed", effect=type(effect).__name__, detail=str(error))
        return EffectFailed(effect, str(error), may_have_happened)
