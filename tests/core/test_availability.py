"""A parked car listens for 5 days, wakes hourly for 17 more, then sleeps; see `core.availability.states`."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import GoToSleep, WakeUp
from tcu_agent.core.events import BusWokeUp, Resumed, SuspendBegan
from tests.core.driver import WALL_AT_0, Driver, settings
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
    until,
)


@pytest.fixture(name="car")
def _car() -> Driver:
    """Return a parked car whose bus sleeps."""
    return parked()


def test_it_listens_for_five_days(car: Driver) -> None:
    until(car, LISTEN_S - 0.1)
    assert (state(car), sleeps(car)) == ("listening", [])
    until(car, LISTEN_S)
    wake_at = START_S + LISTEN_S + HOUR_S
    assert sleeps(car) == [GoToSleep(wake_at, round(WALL_AT_0 + wake_at))]
    assert state(car) == "asleep"


def test_then_it_wakes_hourly_for_17_days_and_sleeps_for_good(car: Driver) -> None:
    until(car, LISTEN_S + HOUR_S - 0.1)
    assert car.seen(WakeUp) == []
    until(car, LISTEN_S + HOUR_S)
    assert state(car) == "visiting"
    until(car, LISTEN_S + HOUR_S + VISIT_S)
    assert state(car) == "asleep"
    assert sleeps(car)[-1].wake_at == START_S + LISTEN_S + 2 * HOUR_S
    until(car, LISTEN_S + WAKE_S + DAY_S)
    assert len(car.seen(WakeUp)) == 17 * 24
    assert sleeps(car)[-1] == GoToSleep(None, None)
    assert state(car) == "off"
    assert car.core._parts.reachability.deadline is None


def test_a_suspend_is_time_like_any_other(car: Driver) -> None:
    until(car, LISTEN_S)
    car.put(SuspendBegan())
    car.jump(HOUR_S)
    car.put(Resumed())
    assert state(car) == "visiting"
    assert len(car.seen(WakeUp)) == 1


def test_an_rtc_that_never_woke_it_costs_no_more_than_the_visits(car: Driver) -> None:
    until(car, LISTEN_S)
    car.jump(30 * DAY_S)
    car.put(Resumed())
    assert state(car) == "visiting"
    car.pass_time(VISIT_S)
    assert (state(car), sleeps(car)[-1]) == ("off", GoToSleep(None, None))


def test_without_a_wall_clock_it_does_not_say_until_when(car: Driver) -> None:
    car.wall_offset = None
    until(car, LISTEN_S)
    assert sleeps(car) == [GoToSleep(START_S + LISTEN_S + HOUR_S, None)]


def test_without_wake_ups_its_days_are_over_at_once() -> None:
    car = parked(wake_for_s=0.0)
    until(car, LISTEN_S)
    assert (state(car), sleeps(car)) == ("off", [GoToSleep(None, None)])


# ---------------------------------------------------------------- the car


@pytest.mark.parametrize("at_s", [DAY_S, LISTEN_S + 60, LISTEN_S + HOUR_S + 60, 30 * DAY_S])
@pytest.mark.parametrize("mode", ["convenience", "active", "driving"])
def test_whoever_uses_the_car_wakes_it_for_good(car: Driver, at_s: float, mode: str) -> None:
    until(car, at_s)
    was_resting = state(car) in {"asleep", "off"}
    wakes = len(car.seen(WakeUp))
    car.signals[vss.USAGE_MODE] = mode
    car.awake = True
    car.show()
    assert state(car) == "in use"
    assert len(car.seen(WakeUp)) - wakes == was_resting
    assert records.PARKED not in car.stored
    assert car.core._parts.reachability.deadline is None
    car.change({vss.USAGE_MODE: "active"})
    car.change({vss.USAGE_MODE: "driving"})
    assert state(car) == "in use"


@pytest.mark.parametrize("at_s", [0.0, DAY_S, LISTEN_S + 60, LISTEN_S + HOUR_S + 60, 30 * DAY_S])
def test_the_days_begin_when_it_is_left(car: Driver, at_s: float) -> None:
    until(car, at_s)
    car.wake_up()
    car.change({vss.USAGE_MODE: "active"})
    car.change({vss.USAGE_MODE: "inactive"})
    left_at = car.now
    car.fall_asleep()
    before = len(sleeps(car))
    car.pass_time(LISTEN_S - 0.1)
    assert (state(car), len(sleeps(car))) == ("listening", before)
    car.pass_time(0.1)
    assert sleeps(car)[-1].wake_at == left_at + LISTEN_S + HOUR_S


@pytest.mark.parametrize("at_s", [DAY_S, LISTEN_S + 60, LISTEN_S + HOUR_S + 60, 30 * DAY_S])
def test_who_gets_in_or_locks_it_starts_the_days_again(car: Driver, at_s: float) -> None:
    until(car, at_s)
    car.signals[vss.USAGE_MODE] = "inactive"
    car.awake = True
    car.show()
    assert state(car) == "listening"
    left_at = car.now
    car.fall_asleep()
    car.pass_time(LISTEN_S)
    assert sleeps(car)[-1].wake_at == left_at + LISTEN_S + HOUR_S


@pytest.mark.parametrize("at_s", [LISTEN_S + 60, 30 * DAY_S])
def test_a_bus_that_wakes_makes_it_visit(car: Driver, at_s: float) -> None:
    until(car, at_s)
    wakes = len(car.seen(WakeUp))
    car.wake_up()
    assert state(car) == "visiting"
    assert len(car.seen(WakeUp)) == wakes + 1
    car.fall_asleep()
    car.pass_time(VISIT_S + 1)
    assert state(car) in {"asleep", "off"}


def test_a_lost_usage_mode_is_no_use_and_no_parking(car: Driver) -> None:
    until(car, DAY_S)
    car.wake_up()
    car.change({vss.USAGE_MODE: None})
    car.change({vss.USAGE_MODE: "abandoned"})
    car.change({vss.USAGE_MODE: "a mode of another car"})
    car.fall_asleep()
    until(car, LISTEN_S)
    assert state(car) == "asleep"


def test_a_car_without_a_usage_mode_never_sleeps() -> None:
    reported = tuple(path for path in vss.REPORTED if path != vss.USAGE_MODE)
    car = Driver(settings=settings(reported=reported))
    car.provision()
    car.change({vss.USAGE_MODE: "inactive"})
    car.fall_asleep()
    car.pass_time(40 * DAY_S)
    assert (state(car), sleeps(car)) == ("in use", [])
    assert records.PARKED not in car.stored


def test_resuming_early_is_a_visit(car: Driver) -> None:
    until(car, LISTEN_S + 60)
    car.put(Resumed())
    assert state(car) == "visiting"
    car.put(Resumed())
    car.put(BusWokeUp("body", car.now))
    assert len(car.seen(WakeUp)) == 1


def test_resuming_while_it_listens_changes_nothing(car: Driver) -> None:
    until(car, DAY_S)
    car.put(Resumed())
    assert (state(car), car.seen(WakeUp)) == ("listening", [])
