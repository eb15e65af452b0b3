"""The heart: one event at a time into the core, all its effects out in order, before the next event.

The bounded queue makes a flood wait at its source. The core's own deadlines come before queued events, but never twice
in a row while events wait, so that neither can starve the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from tcu_agent.core.effects import Effect
from tcu_agent.core.events import CoreEvent, EffectFailed, Resumed, TimePassed, TimeProven
from tcu_agent.errors import DeadlinePassedError, KeyStoreError, StorageError, TransportError
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.waiting import Alarm

QUEUE_EVENTS = 256
"""About two seconds of a busy bus after debounce; a core step takes well under a millisecond."""
MOST_FAILURES_IN_A_ROW = 16
"""The core answers a failure with effects, which may fail too; after so many the rest is dropped."""
QUIET_EVENTS_IN_A_TURN = 16
"""Events in a row that brought no effect, in one turn of the event loop.

A turn may bring a whole batch of frames: one event a turn, and on a busy machine the queue would grow behind the bus.
"""
LEAST_SUSPEND_S = 0.5
"""Less is the time between two readings of two clocks."""
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
        around: Surroundings,
    ) -> None:
        self._core = core
        self._perform = perform
        self._around = around
        self._clock = around.clock
        self._entropy = around.entropy
        self._logbook = around.logbook
        self._queue: asyncio.Queue[CoreEvent | Callable[[], None]] = asyncio.Queue(QUEUE_EVENTS)
        self._own: deque[CoreEvent] = deque()
        self._news = asyncio.Event()
        self._rang = False
        self._is_stopping = False
        self._suspended_s = 0.0
        self._is_time_proven = False
        self._alarm = Alarm(clock=around.clock, ring=self._news.set)

    async def put(self, event: CoreEvent) -> None:
        """Queue one event; waits when the queue is full."""
        await self._queue.put(event)
        self._news.set()

    def push(self, events: Iterable[CoreEvent]) -> None:
        """Take events that come before all that is queued; for what an effect itself brings about."""
        self._own.extend(events)
        self._news.set()

    async def drain(self) -> None:
        """Return when everything queued so far has been handled, effects included; what comes behind it may wait."""
        mark = asyncio.Event()
        await self.put_between(mark.set)
        await mark.wait()

    async def put_between(self, step: Callable[[], None]) -> None:
        """Queue a step that is taken between two events, and so never between two effects."""
        await self._queue.put(step)
        self._news.set()

    def stop(self) -> None:
        """Let `run` end when the event under way is finished."""
        self._is_stopping = True
        self._news.set()

    async def run(self) -> None:
        """Start the core, then handle events until `stop`."""
        async with asyncio.TaskGroup() as group:
            self._suspended_s = self._suspended(self._clock.boottime())
            alarm = group.create_task(self._alarm.run(), name="core timer")
            wall = self._around.proven_wall()
            self._is_time_proven = wall is not None
            await self._settle(self._core.start(now=self._clock.boottime(), wall=wall))
            quiet = 0
            while (event := await self._next()) is not None:
                effects = await self._step(event)
                await self._settle(effects)
                quiet = 0 if effects else (quiet + 1) % QUIET_EVENTS_IN_A_TURN
                if quiet == 0:
                    # Others must run even when there is always something to do.
                    await asyncio.sleep(0)
            alarm.cancel()

    async def _next(self) -> CoreEvent | None:
        while not self._is_stopping:
            self._news.clear()
            if self._own:
                return self._own.popleft()
            if self._is_due() and not (self._rang and self._queue.qsize()):
                self._rang = True
                return TimePassed(self._entropy.random_bytes(_RANDOM_BYTES))
            if self._queue.qsize():
                self._rang = False
                queued = self._queue.get_nowait()
                if callable(queued):
                    queued()
                    continue
                return queued
            self._alarm.set(self._core.next_deadline())
            await self._news.wait()
        return None

    def _is_due(self) -> bool:
        deadline = self._core.next_deadline()
        return deadline is not None and deadline <= self._clock.boottime()

    async def _settle(self, effects: tuple[Effect, ...]) -> None:
        """Carry out effects; a failure goes into the core before anything else does."""
        for _ in range(MOST_FAILURES_IN_A_ROW):
            failure = await self._carry_out(effects)
            if failure is None:
                return
            effects = self._decide(failure)
        self._logbook.error("effects-keep-failing", dropped=len(effects))

    async def _step(self, event: CoreEvent) -> tuple[Effect, ...]:
        """Return what the core makes of one event, after it was told of what has happened to the clocks.

        Each clock is asked once: on a busy bus the questions would cost more than the answers of the core.
        """
        now, wall = self._clock.boottime(), self._around.proven_wall()
        news = [*self._suspend_seen(now), *self._proof_seen(wall)]
        if not news:
            return self._core.handle(event, now=now, wall=wall)
        for one in news:
            await self._settle(self._decide(one))
        return self._decide(event)

    def _decide(self, event: CoreEvent) -> tuple[Effect, ...]:
        wall = self._around.proven_wall()
        return self._core.handle(event, now=self._clock.boottime(), wall=wall)

    def _suspend_seen(self, now: float) -> list[CoreEvent]:
        """Return what tells the core of a suspend before it sees anything that came after it."""
        before, self._suspended_s = self._suspended_s, self._suspended(now)
        if self._suspended_s - before < LEAST_SUSPEND_S:
            return []
        self._logbook.info("resumed", suspended_s=self._suspended_s - before)
        return [Resumed()]

    def _proof_seen(self, wall: float | None) -> list[CoreEvent]:
        """Return what tells the core, once, that the wall clock can be believed; its own timer makes us look."""
        if self._is_time_proven or wall is None:
            return []
        self._is_time_proven = True
        self._logbook.info("time-proven")
        return [TimeProven()]

    def _suspended(self, now: float) -> float:
        # The event loop's clock (CLOCK_MONOTONIC) stands still in a suspend, CLOCK_BOOTTIME does not.
        return now - asyncio.get_running_loop().time()

    async def _carry_out(self, effects: tuple[Effect, ...]) -> EffectFailed | None:
        for effect in effects:
            try:
                await self._perform(effect)
            except TransportError as error:
                return self._failure(effect, error, may_have_happened=error.may_have_happened)
            except (StorageError, KeyStoreError) as error:
                return self._failure(effect, error, may_have_happened=False)
            except DeadlinePassedError as error:
                return self._failure(effect, error, may_have_happened=False, is_too_late=True)
        return None

    def _failure(
        self,
        effect: Effect,
        error: Exception,
        *,
        may_have_happened: bool,
        is_too_late: bool = False,
    ) -> EffectFailed:
        self._logbook.error("effect-failed", effect=type(effect).__name__, detail=str(error))
        return EffectFailed(effect, str(error), may_have_happened, is_too_late)
