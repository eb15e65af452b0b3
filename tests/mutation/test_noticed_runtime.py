"""Pump: differences that no other test noticed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tcu_agent.core.effects import (
    Effect,
    Note,
    WakeUp,
)
from tcu_agent.core.events import (
    CoreEvent,
    Disconnected,
    EffectFailed,
    Resumed,
    SuspendBegan,
    TimePassed,
    TimeProven,
)
from tcu_agent.errors import (
    CanTransportError,
    DeadlinePassedError,
    KeyStoreError,
    StorageError,
)
from tcu_agent.runtime.logbook import FIELDS, Logbook
from tcu_agent.runtime.pump import (
    MOST_FAILURES_IN_A_ROW,
    QUEUE_EVENTS,
    QUIET_EVENTS_IN_A_TURN,
    Pump,
)
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.ports import SeededEntropy, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.runtime.rig import (
    ScriptedCore,
)


class Listener(ScriptedCore):
    """Also keeps what the clocks said."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[float, float | None]] = []
        self.walls: list[float | None] = []

    def start(self, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        self.started.append((now, wall))
        return super().start(now=now, wall=wall)

    def handle(self, event: CoreEvent, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        self.walls.append(wall)
        return super().handle(event, now=now, wall=wall)

    def due(self, at: float, *, times: int) -> None:
        """Have a deadline at `at`, s, that comes `times` times and no more.

        A pump that gives nothing else its turn would else go round and round until the test's own limit.
        """
        left = times

        def rung(_: CoreEvent) -> tuple[Effect, ...]:
            nonlocal left
            left -= 1
            self.deadline = self.deadline if left else None
            return ()

        self.deadline = at
        self.always[TimePassed] = rung

    @property
    def kinds(self) -> list[type[CoreEvent]]:
        return [type(each) for each in self.events]


class Bench:
    """A pump, with nothing around it that is not simulated. `errors`: what the next effects raise."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.core = Listener()
        self.logbook = Logbook()
        self.done: list[Effect] = []
        self.errors: list[Exception] = []
        self.pump = Pump(
            core=self.core,
            perform=self.perform,
            around=Surroundings(clock=self.clock, entropy=SeededEntropy(), logbook=self.logbook),
        )

    async def perform(self, effect: Effect) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(effect)

    async def handled(self, *events: CoreEvent) -> None:
        """Let these events come, and wait until all of it is done."""
        for each in events:
            await self.pump.put(each)
        await self.pump.drain()


def pumping(
    body: Callable[[Bench], Coroutine[Any, Any, None]],
    prepare: Callable[[Bench], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Play `body` beside a running pump; `prepare` before it runs."""

    async def main() -> None:
        bench = Bench()
        if prepare is not None:
            await prepare(bench)
        running = asyncio.create_task(bench.pump.run())
        await body(bench)
        bench.pump.stop()
        await running

    run_simulated(main())


def test_the_start_is_told_both_clocks() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        assert bench.core.started == [(bench.clock.boottime(), bench.clock.wall())]

    pumping(body)


def test_an_event_is_told_both_clocks_of_its_own_moment() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled(Disconnected())
        await bench.clock.wait_until(bench.clock.boottime() + 7)
        await bench.handled(Disconnected())
        now, wall = bench.clock.boottime(), bench.clock.wall()
        assert wall is not None
        assert bench.core.times == [now - 7, now]
        assert bench.core.walls == [wall - 7, wall]
        assert bench.core.kinds == [Disconnected] * 2, "time that passes is no suspend"

    pumping(body)


def test_what_goes_in_before_an_event_and_the_event_are_told_both_clocks() -> None:
    async def body(bench: Bench) -> None:
        bench.clock.suspend(60)
        await bench.handled(Disconnected())
        assert bench.core.kinds == [Resumed, Disconnected]
        assert bench.core.times == [bench.clock.boottime()] * 2
        assert bench.core.walls == [bench.clock.wall()] * 2

    async def prepare(bench: Bench) -> None:
        bench.clock.suspend(30)  # before the start: no news

    async def both(bench: Bench) -> None:
        await bench.handled()
        await body(bench)

    pumping(both, prepare)


def test_a_suspend_of_exactly_the_least_is_one() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        bench.clock.suspend(0.5)
        await bench.handled(Disconnected())
        assert bench.core.kinds == [Resumed, Disconnected]

    pumping(body)


def test_each_suspend_is_told_with_its_own_length(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        for length_s in (60, 4):
            bench.clock.suspend(length_s)
            await bench.handled(Disconnected())

    with caplog.at_level(logging.INFO, logger="tcu_agent"):
        pumping(body)
    assert lines(caplog, "resumed") == [{"suspended_s": 60.0}, {"suspended_s": 4.0}]


def lines(caplog: pytest.LogCaptureFixture, word: str) -> list[dict[str, Any]]:
    return [getattr(each, FIELDS) for each in caplog.records if each.getMessage() == word]


def test_a_time_that_is_proven_later_is_told_and_logged_once() -> None:
    async def prepare(bench: Bench) -> None:
        bench.clock.synchronised = False

    async def body(bench: Bench) -> None:
        await bench.handled(Disconnected())
        bench.clock.synchronised = True
        await bench.handled(Disconnected(), Disconnected())
        assert bench.core.kinds == [Disconnected, TimeProven, Disconnected, Disconnected]
        assert bench.core.started[0][1] is None
        assert bench.logbook.counts["time-proven"] == 1

    pumping(body, prepare)


def test_what_is_due_at_the_start_comes_before_what_waits() -> None:
    async def prepare(bench: Bench) -> None:
        bench.core.due(bench.clock.boottime(), times=2)
        await bench.pump.put(Disconnected())

    async def body(bench: Bench) -> None:
        await bench.core.wait_for(TimePassed, number=2)
        assert bench.core.kinds == [TimePassed, Disconnected, TimePassed]

    pumping(body, prepare)


def test_an_overdue_deadline_and_events_take_turns() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        bench.core.due(0.0, times=4)
        for _ in range(3):
            await bench.pump.put(Disconnected())
        await bench.core.wait_for(TimePassed, number=4)
        assert bench.core.kinds == [*[TimePassed, Disconnected] * 3, TimePassed]

    pumping(body)


def test_each_timer_brings_fresh_randomness() -> None:
    async def body(bench: Bench) -> None:
        bench.core.due(0.0, times=2)
        await bench.core.wait_for(TimePassed, number=2)
        first, second = (each.random for each in bench.core.of(TimePassed)[:2])
        assert len(first) == len(second) == 16
        assert first != second

    pumping(body)


def test_events_cost_no_time() -> None:
    async def body(bench: Bench) -> None:
        began = bench.clock.boottime()
        await bench.handled(*[Disconnected()] * 10)
        assert bench.clock.boottime() == began

    pumping(body)


async def handled_by_turns(bench: Bench, *, turns: int) -> list[int]:
    """Return how many events were handled after each turn of the event loop."""
    counts = []
    for _ in range(turns):
        await asyncio.sleep(0)
        counts.append(len(bench.core.events))
    return counts


def test_a_turn_takes_many_events_that_bring_nothing_and_leaves_a_turn_to_others() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        for _ in range(2 * QUIET_EVENTS_IN_A_TURN + 1):
            await bench.pump.put(Disconnected())
        counts = [each for each in await handled_by_turns(bench, turns=5) if each]
        first, second = QUIET_EVENTS_IN_A_TURN, 2 * QUIET_EVENTS_IN_A_TURN
        assert counts[:3] == [first, second, second + 1]

    pumping(body)


def test_what_an_event_brings_about_is_followed_by_a_turn_of_others() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        bench.core.on(TimeProven, WakeUp())
        await bench.pump.put(Disconnected())
        await bench.pump.put(TimeProven())
        for _ in range(QUIET_EVENTS_IN_A_TURN):
            await bench.pump.put(Disconnected())
        counts = [each for each in await handled_by_turns(bench, turns=4) if each]
        assert counts[:2] == [2, 2 + QUIET_EVENTS_IN_A_TURN]

    pumping(body)


def test_what_an_effect_brings_about_comes_before_all_that_waits() -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        await bench.pump.put(Disconnected())
        bench.pump.push([SuspendBegan(), Resumed()])
        await bench.handled()
        assert bench.core.kinds == [SuspendBegan, Resumed, Disconnected]

    pumping(body)


def test_the_queue_holds_what_it_says_and_no_more() -> None:
    async def main() -> None:
        bench = Bench()
        for _ in range(QUEUE_EVENTS):
            await asyncio.wait_for(bench.pump.put(Disconnected()), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bench.pump.put(Disconnected()), 1)

    run_simulated(main())


@pytest.mark.parametrize(
    ("error", "may_have_happened", "is_too_late"),
    [
        (CanTransportError("said", may_have_happened=True, temporary=True), True, False),
        (CanTransportError("said", may_have_happened=False, temporary=True), False, False),
        (StorageError("said"), False, False),
        (KeyStoreError("said"), False, False),
        (DeadlinePassedError("said"), False, True),
    ],
)
def test_a_failure_goes_in_with_what_is_known_of_it(
    error: Exception,
    *,
    may_have_happened: bool,
    is_too_late: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(bench: Bench) -> None:
        await bench.handled()
        bench.core.on(Disconnected, WakeUp(), Note("behind"))
        bench.core.on(EffectFailed, Note("answer"))
        bench.errors = [error]
        await bench.handled(Disconnected())
        failed = EffectFailed(WakeUp(), "said", may_have_happened, is_too_late)
        assert bench.core.events == [Disconnected(), failed]
        assert bench.core.events[1].may_have_happened is may_have_happened  # type: ignore[union-attr]  # an EffectFailed
        assert bench.core.times == [bench.clock.boottime()] * 2
        assert bench.core.walls == [bench.clock.wall()] * 2
        assert bench.done == [Note("answer")]

    pumping(body)
    assert lines(caplog, "effect-failed") == [{"effect": "WakeUp", "detail": "said"}]


def test_what_keeps_failing_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: Bench) -> None:
        bench.core.on(Disconnected, WakeUp())
        bench.core.always[EffectFailed] = lambda _: (WakeUp(), Note("behind"))
        bench.errors = [StorageError("said")] * (MOST_FAILURES_IN_A_ROW + 1)
        await bench.handled(Disconnected())
        assert len(bench.core.of(EffectFailed)) == MOST_FAILURES_IN_A_ROW
        assert bench.done == []

    pumping(body)
    assert lines(caplog, "effects-keep-failing") == [{"dropped": 2}]


def test_a_step_between_two_events_is_no_event() -> None:
    async def body(bench: Bench) -> None:
        seen: list[int] = []
        await bench.pump.put(Disconnected())
        await bench.pump.put_between(lambda: seen.append(len(bench.core.events)))
        await bench.handled(Disconnected())
        assert seen == [1]
        assert bench.core.kinds == [Disconnected] * 2

    pumping(body)
