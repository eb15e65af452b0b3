"""The core is called when it asked to be, and nobody starves."""

from __future__ import annotations

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


def test_a_time_that_was_known_at_the_start_is_no_news() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        await touched(rig, number=1)
        assert rig.core.of(TimeProven) == []

    play(body)
