"""The core is called when it asked to be, and nobody starves."""

from __future__ import annotations

import pytest

from tcu_agent.core.effects import (
    Effect,
)
from tcu_agent.core.events import (
    Connected,
    CoreEvent,
    MessageArrived,
    Resumed,
    TimePassed,
    TimeProven,
)
from tcu_agent.runtime.pump import QUEUE_EVENTS
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.ports import SeededEntropy, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.runtime.rig import (
    VEHICLE_ID,
    Rig,
    play,
)


def send(rig: Rig, kind: str = "request") -> None:
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/{kind}", b"x")


def test_the_core_is_called_at_its_deadline() -> None:
    async def body(rig: Rig) -> None:
        deadline = rig.clock.boottime() + 30.5
        rig.core.deadline = deadline

        def passed(_: CoreEvent) -> tuple[Effect, ...]:
            rig.core.deadline = None
            return ()

        rig.core.always[TimePassed] = passed
        rig.start()
        await rig.core.wait_for(TimePassed)
        assert rig.clock.boottime() == deadline

    play(body)


def test_a_deadline_that_moves_nearer_is_kept() -> None:
    async def body(rig: Rig) -> None:
        start = rig.clock.boottime()
        rig.core.deadline = start + 1000

        def sooner(_: CoreEvent) -> tuple[Effect, ...]:
            rig.core.deadline = start + 20
            return ()

        def passed(_: CoreEvent) -> tuple[Effect, ...]:
            rig.core.deadline = None
            return ()

        rig.core.always |= {MessageArrived: sooner, TimePassed: passed}
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        await rig.core.wait_for(TimePassed)
        assert rig.clock.boottime() == start + 20

    play(body)


def test_deadlines_in_the_past_and_events_take_turns() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.core.deadline = 0.0

        def count(_: CoreEvent) -> tuple[Effect, ...]:
            if len(rig.core.of(TimePassed)) == 50:
                rig.core.deadline = None
            return ()

        rig.core.always[TimePassed] = count
        for _ in range(10):
            send(rig)
        await rig.core.wait_for(TimePassed, number=50)
        kinds = [type(each) for each in rig.core.events]
        last = max(i for i, kind in enumerate(kinds) if kind is MessageArrived)
        assert kinds[:last].count(TimePassed) <= 25, "events waited for the deadlines"

    play(body)


def test_a_suspend_is_told_before_what_came_after_it() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.clock.suspend(3600)
        send(rig)
        await rig.core.wait_for(MessageArrived)
        kinds = [type(each) for each in rig.core.events]
        assert kinds.index(Resumed) < kinds.index(MessageArrived)
        assert kinds.count(Resumed) == 1

    play(body)


async def touched(rig: Rig, *, number: int) -> None:
    """Let one message arrive: the `number`-th."""
    send(rig)
    await rig.core.wait_for(MessageArrived, number=number)


def test_a_flood_waits_at_its_source_and_nothing_is_lost() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        for _ in range(3 * QUEUE_EVENTS):
            send(rig)
        await rig.core.wait_for(MessageArrived, number=3 * QUEUE_EVENTS)

    play(body)


def test_the_first_time_that_is_set_from_outside_is_told_once() -> None:
    """After a power cut the core waits for it: at the start a clock may stand where it stood."""

    async def body(rig: Rig) -> None:
        rig.clock.synchronised = False
        rig.start()
        await rig.core.wait_for(Connected)
        await touched(rig, number=1)
        assert rig.core.of(TimeProven) == []
        rig.clock.synchronised = True
        await touched(rig, number=2)
        rig.clock.synchronised = False
        await touched(rig, number=3)
        rig.clock.synchronised = True
        await touched(rig, number=4)
        kinds = [type(each) for each in rig.core.events if not isinstance(each, Connected)]
        assert kinds == [MessageArrived, TimeProven, *[MessageArrived] * 3]

    play(body)


def test_the_core_hears_of_no_clock_that_nothing_keeps_right() -> None:
    """What a wrong clock said would be stored, and be a proof after the next power cut."""

    async def body(rig: Rig) -> None:
        heard: list[float | None] = []
        handle = rig.core.handle

        def listening(event: CoreEvent, *, now: float, wall: float | None) -> tuple[Effect, ...]:
            heard.append(wall)
            return handle(event, now=now, wall=wall)

        rig.core.handle = listening  # type: ignore[method-assign]  # the rig's own core
        rig.start()
        await rig.core.wait_for(Connected)
        known = len(heard)
        assert None not in heard
        rig.clock.synchronised = False
        await touched(rig, number=1)
        assert set(heard[known:]) == {None}
        rig.clock.synchronised = True
        await touched(rig, number=2)
        assert heard[-1] == rig.clock.wall()

    play(body)


def test_a_clock_that_is_set_between_two_questions_is_not_believed() -> None:
    """`is_synchronised`, then the clock is set by hand, then `wall`: that is no synchronised time."""
    clock = SimulatedClock()

    class SetMeanwhile(SimulatedClock):
        def wall(self) -> float:
            self.synchronised = False
            return 1e9

    async def body() -> None:
        assert Surroundings(clock=clock, entropy=SeededEntropy()).proven_wall() == clock.wall()
        moved = Surroundings(clock=SetMeanwhile(), entropy=SeededEntropy())
        assert moved.proven_wall() is None

    run_simulated(body())


@pytest.mark.parametrize(("asleep_s", "is_suspend"), [(0.4, False), (0.6, True)])
def test_the_time_between_two_readings_is_no_suspend(asleep_s: float, is_suspend: bool) -> None:
    """A suspend ends all challenges, so what is none may not be told as one."""

    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.clock.suspend(asleep_s)
        await touched(rig, number=1)
        assert bool(rig.core.of(Resumed)) == is_suspend

    play(body)


def test_a_time_that_was_known_at_the_start_is_no_news() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        await touched(rig, number=1)
        assert rig.core.of(TimeProven) == []

    play(body)
