"""A parked car's days: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core.availability.record import ParkedRecord
from tcu_agent.core.durable import records
from tcu_agent.core.effects import GoToSleep, WakeUp
from tcu_agent.core.events import Resumed, TimeProven
from tests.core.driver import WALL_AT_0, Driver
from tests.core.parked import DAY_S, HOUR_S, LISTEN_S, VISIT_S, parked, sleeps, state, until


@pytest.fixture(name="car")
def _car() -> Driver:
    """Return a parked car whose bus sleeps."""
    return parked()


def prove(car: Driver) -> None:
    car.wall_offset = WALL_AT_0
    car.put(TimeProven())


def test_a_board_that_resumes_after_its_days_is_a_visit(car: Driver) -> None:
    until(car, 30 * DAY_S)
    assert state(car) == "off"
    wakes = len(car.seen(WakeUp))
    car.put(Resumed())
    assert (state(car), len(car.seen(WakeUp))) == ("visiting", wakes + 1)


@pytest.mark.parametrize("new_session", [False, True])
@pytest.mark.parametrize("left_s", [1.0, VISIT_S - 10])
def test_a_start_shortly_before_it_stops_listening_is_a_visit_at_least(
    car: Driver, left_s: float, new_session: bool
) -> None:
    until(car, LISTEN_S - left_s)
    car.restart(new_session=new_session, off_s=0.5)
    car.pass_time(VISIT_S - 0.1)
    assert (state(car), sleeps(car)) == ("listening", [])
    car.pass_time(0.1)
    wake_at = car.now + HOUR_S
    assert sleeps(car) == [GoToSleep(wake_at, round(WALL_AT_0 + wake_at))]


def test_a_start_in_the_moment_when_it_stops_listening_is_a_visit(car: Driver) -> None:
    until(car, LISTEN_S)
    car.restart(off_s=0.0)
    assert state(car) == "visiting"


@pytest.mark.parametrize("wall_offset", [None, 0.0, WALL_AT_0 + 30 * DAY_S])
def test_a_restart_without_a_power_cut_asks_no_wall_clock(
    car: Driver, wall_offset: float | None
) -> None:
    until(car, DAY_S + HOUR_S / 2)
    car.wall_offset = wall_offset
    car.restart()
    until(car, LISTEN_S - 0.1)
    assert (state(car), sleeps(car)) == ("listening", [])
    until(car, LISTEN_S)
    assert state(car) == "asleep"


def test_a_start_that_knows_the_time_awaits_no_proof(car: Driver) -> None:
    until(car, DAY_S)
    car.restart(new_session=True, off_s=HOUR_S)
    written = ParkedRecord.from_bytes(car.stored[records.PARKED])
    assert (written.boot_session, written.elapsed_s) == (car.boot_session, DAY_S + HOUR_S)


def test_a_proof_prolongs_no_visit(car: Driver) -> None:
    until(car, LISTEN_S + 2 * HOUR_S)
    car.wall_offset = None
    car.restart(new_session=True)
    car.pass_time(VISIT_S / 2)
    prove(car)
    assert state(car) == "visiting"
    car.pass_time(VISIT_S / 2)
    assert state(car) == "asleep"


def test_a_proof_moves_no_wake_up(car: Driver) -> None:
    until(car, LISTEN_S + 2 * HOUR_S)
    car.wall_offset = None
    car.restart(new_session=True)
    car.pass_time(VISIT_S + 60)
    assert state(car) == "asleep"
    prove(car)
    assert car.core.next_deadline() == sleeps(car)[-1].wake_at


def test_a_sleep_of_more_than_an_hour_is_not_interrupted_to_store_anything() -> None:
    car = parked(wake_every_s=5 * HOUR_S)
    until(car, LISTEN_S)
    assert state(car) == "asleep"
    assert car.core.next_deadline() == car.now + 5 * HOUR_S
