"""How many of its days a parked car has used up, through power cuts and clocks that come late."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.availability.availability import SAVE_EVERY_S
from tcu_agent.core.availability.record import ParkedRecord
from tcu_agent.core.durable import records
from tcu_agent.core.effects import GoToSleep
from tcu_agent.core.events import TimeProven
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.core.driver import WALL_AT_0, Driver
from tests.core.parked import (
    DAY_S,
    HOUR_S,
    LISTEN_S,
    START_S,
    VISIT_S,
    WAKE_S,
    parked,
    sleeps,
    state,
    told,
    until,
)

UNLOCK_S = LISTEN_S


@pytest.fixture(name="car")
def _car() -> Driver:
    return parked()


def cut(car: Driver, *, off_s: float, wall_offset: float | None = None) -> None:
    """Cut the power of a car whose bus sleeps; it comes back with this wall clock."""
    car.wall_offset = wall_offset
    car.restart(new_session=True, off_s=off_s)


def prove(car: Driver) -> None:
    car.wall_offset = WALL_AT_0
    car.put(TimeProven())


def is_unlock_over(car: Driver) -> bool:
    before = len(car.refusals)
    car.ask(Service.UNLOCK)
    return car.refusals[before:] == [Reason.PARKED_TOO_LONG]


def stored(car: Driver) -> ParkedRecord:
    return ParkedRecord.from_bytes(car.stored[records.PARKED])


@pytest.mark.parametrize("late_s", [0.0, 5.0, 90.0, 7200.0])
def test_a_clock_that_comes_late_corrects_the_days(car: Driver, late_s: float) -> None:
    """Four days parked, two without power: its five days are over, whenever the clock says so."""
    until(car, 4 * DAY_S)
    cut(car, off_s=2 * DAY_S)
    car.pass_time(late_s)
    assert not is_unlock_over(car), "judged by what had provably passed"
    prove(car)
    assert is_unlock_over(car)


def test_days_that_are_over_end_after_a_visit(car: Driver) -> None:
    until(car, 4 * DAY_S)
    cut(car, off_s=2 * DAY_S)
    car.pass_time(5)
    prove(car)
    assert state(car) == "listening"
    car.pass_time(VISIT_S - 0.1)
    assert sleeps(car) == []
    car.pass_time(0.2)
    assert state(car) == "asleep"
    cut(car, off_s=20 * DAY_S)
    told(car)
    prove(car)
    car.pass_time(VISIT_S + 1)
    assert (state(car), sleeps(car)[-1]) == ("off", GoToSleep(None, None))


def test_days_that_are_not_over_end_when_they_would_have(car: Driver) -> None:
    until(car, 2 * DAY_S)
    cut(car, off_s=2 * DAY_S)
    car.pass_time(5)
    prove(car)
    until(car, LISTEN_S - 1)
    assert (state(car), sleeps(car)) == ("listening", [])
    until(car, LISTEN_S + 1)
    assert state(car) == "asleep"


def test_a_clock_that_is_never_proven_takes_an_hour_away_at_most(car: Driver) -> None:
    until(car, 2 * DAY_S + 0.9 * HOUR_S)
    cut(car, off_s=10 * DAY_S)
    began = car.now
    car.pass_time(3 * DAY_S - 1)
    assert not is_unlock_over(car)
    car.now = began + 3 * DAY_S + 1
    assert is_unlock_over(car)


def test_many_cuts_do_not_begin_the_days_again(car: Driver) -> None:
    """Each one costs the time since the last whole hour, none begins anew."""
    for _ in range(60):
        car.pass_time(2.5 * HOUR_S)
        cut(car, off_s=1)
    assert is_unlock_over(car)


def test_many_cuts_and_then_the_time(car: Driver) -> None:
    until(car, HOUR_S / 2)
    for _ in range(3):
        cut(car, off_s=2 * DAY_S)
        car.pass_time(60)
        assert not is_unlock_over(car)
    prove(car)
    assert is_unlock_over(car)


def test_a_restart_of_the_agent_alone_awaits_the_proof_too(car: Driver) -> None:
    until(car, DAY_S)
    cut(car, off_s=5 * DAY_S)
    car.restart()
    prove(car)
    assert is_unlock_over(car)


def test_a_proof_takes_no_time_back(car: Driver) -> None:
    """A clock that is set to before it was parked: what had passed has passed."""
    until(car, 3 * DAY_S)
    cut(car, off_s=1)
    car.wall_offset = 0.0
    car.put(TimeProven())
    began = car.now
    car.now = began + 2 * DAY_S + 1
    assert is_unlock_over(car)


def test_a_proof_that_comes_late_takes_no_time_back_either(car: Driver) -> None:
    """What has passed since the power came back has passed, whatever a clock set to before the parking says."""
    until(car, 3 * DAY_S)
    cut(car, off_s=1)
    car.pass_time(DAY_S)
    car.wall_offset = 0.0
    car.put(TimeProven())
    assert not is_unlock_over(car)
    car.now += DAY_S + 1
    assert is_unlock_over(car)


def test_whoever_parks_it_again_awaits_no_proof(car: Driver) -> None:
    until(car, DAY_S)
    cut(car, off_s=30 * DAY_S)
    car.wake_up()
    car.change({vss.USAGE_MODE: "active"})
    car.change({vss.USAGE_MODE: "abandoned"})
    prove(car)
    assert state(car) == "listening"
    assert not is_unlock_over(car)
    car.change({vss.USAGE_MODE: "inactive"})
    assert stored(car).elapsed_s == 0


def test_whoever_only_gets_in_or_locks_it_awaits_no_proof_either(car: Driver) -> None:
    until(car, DAY_S)
    cut(car, off_s=30 * DAY_S)
    car.wake_up()
    car.change({vss.USAGE_MODE: "inactive"})
    prove(car)
    assert not is_unlock_over(car)
    assert stored(car).elapsed_s == 0


def test_a_car_parked_without_the_time_learns_it_later() -> None:
    car = parked(wall_offset=None)
    assert stored(car).parked_wall is None
    until(car, 2 * HOUR_S)
    prove(car)
    car.pass_time(HOUR_S)
    assert stored(car).parked_wall == pytest.approx(WALL_AT_0 + START_S)
    cut(car, off_s=5 * DAY_S, wall_offset=WALL_AT_0)
    assert is_unlock_over(car)


def test_a_parked_time_is_not_lost_with_the_clock(car: Driver) -> None:
    """The clock is not kept right any more: what was known of it stays, also over a restart of the agent."""
    car.wall_offset = None
    until(car, 2 * HOUR_S)
    car.restart()
    car.pass_time(HOUR_S)
    assert stored(car).parked_wall == pytest.approx(WALL_AT_0 + START_S)
    car.wake_up()
    car.change({vss.USAGE_MODE: "inactive"})
    assert stored(car).parked_wall is None


def test_the_time_passed_is_stored_each_hour(car: Driver) -> None:
    until(car, 10 * HOUR_S + 60)
    assert SAVE_EVERY_S == HOUR_S
    assert HOUR_S * 9 < stored(car).elapsed_s <= HOUR_S * 10 + 60
    assert 9 <= len(car.persisted(records.PARKED)) <= 12


def test_a_car_that_sleeps_stores_nothing_between_its_visits(car: Driver) -> None:
    until(car, LISTEN_S + WAKE_S + DAY_S)
    count = len(car.persisted(records.PARKED))
    until(car, LISTEN_S + WAKE_S + 3 * DAY_S)
    assert len(car.persisted(records.PARKED)) == count


def test_a_long_visit_stores_it_too(car: Driver) -> None:
    until(car, LISTEN_S + HOUR_S + 1)
    car.wake_up()
    car.awake = True
    before = stored(car).elapsed_s
    car.pass_time(2 * HOUR_S)
    assert state(car) == "visiting"
    assert stored(car).elapsed_s >= before + HOUR_S
