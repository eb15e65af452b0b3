"""An alarm rings once its deadline has come, however often that was moved meanwhile."""

from __future__ import annotations

import asyncio

from tcu_agent.runtime.waiting import Alarm
from tcu_sim.bench.clock import SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated


def rings(*moves: tuple[float, float | None], boottime_s: float = 1000.0) -> list[float]:
    """Move the deadline, each (at, to) in seconds since the start; return when it rang in the hour after it."""
    rang: list[float] = []

    async def body() -> None:
        clock = SimulatedClock(boottime_s=boottime_s)
        alarm = Alarm(clock=clock, ring=lambda: rang.append(clock.boottime() - boottime_s))
        running = asyncio.create_task(alarm.run())
        for at, to in moves:
            await clock.wait_until(boottime_s + at)
            alarm.set(None if to is None else boottime_s + to)
        await clock.wait_until(boottime_s + 3600.0)
        running.cancel()
        await asyncio.wait([running])

    run_simulated(body())
    return rang


def test_it_rings_once() -> None:
    assert rings((0.0, 5.0)) == [5.0]


def test_moved_back_it_rings_at_the_later_time_only() -> None:
    assert rings((0.0, 5.0), (1.0, 9.0)) == [9.0]


def test_moved_forward_it_rings_at_the_earlier_time_only() -> None:
    assert rings((0.0, 5.0), (1.0, 2.0)) == [2.0]


def test_moved_back_and_forward_again_it_rings_in_time() -> None:
    assert rings((0.0, 5.0), (1.0, 9.0), (2.0, 7.0)) == [7.0]


def test_a_deadline_that_was_taken_away_does_not_ring() -> None:
    assert rings((0.0, 5.0), (1.0, None)) == []
    assert rings((0.0, 5.0), (1.0, None), (9.0, 10.0)) == [10.0]


def test_a_deadline_that_has_passed_rings_at_once() -> None:
    assert rings((3.0, 1.0)) == [3.0]


def test_it_rings_again_for_a_deadline_that_is_set_when_it_rings() -> None:
    rang: list[float] = []

    async def body() -> None:
        clock = SimulatedClock()
        started = clock.boottime()
        alarms: list[Alarm] = []

        def ring() -> None:
            rang.append(clock.boottime() - started)
            if len(rang) < 3:
                alarms[0].set(clock.boottime() + 2.0)

        alarms.append(Alarm(clock=clock, ring=ring))
        running = asyncio.create_task(alarms[0].run())
        alarms[0].set(started + 2.0)
        await clock.wait_until(started + 60.0)
        running.cancel()
        await asyncio.wait([running])

    run_simulated(body())
    assert rang == [2.0, 4.0, 6.0]
