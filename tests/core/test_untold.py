"""What the centre has not acknowledged keeps a parked car visiting, beyond its own days, but not for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcu_agent.core import vss
from tcu_agent.core.effects import GoToSleep
from tcu_agent.protocol.vocabulary import EventKind
from tests.core.driver import Driver
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


def sound_the_alarm(car: Driver) -> None:
    car.wake_up()
    car.change({vss.ALARM: "triggered"})
    car.pass_time(31)
    car.fall_asleep()
    assert car.events(EventKind.ALARM)


def press_on_call(car: Driver) -> None:
    car.wake_up()
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(0.3)
    car.change({vss.ON_CALL_BUTTON: False})
    car.fall_asleep()
    assert car.events(EventKind.ON_CALL_PRESSED)


HAPPENS = pytest.mark.parametrize("happens", [sound_the_alarm, press_on_call])


@HAPPENS
def test_what_happens_to_a_car_that_sleeps_for_good_is_told_in_visits(
    happens: Callable[[Driver], None],
) -> None:
    car = parked()
    told(car)
    until(car, 30 * DAY_S)
    assert state(car) == "off"
    happens(car)
    car.pass_time(HOUR_S)
    began = len(sleeps(car))
    car.pass_time(3 * HOUR_S)
    assert len(sleeps(car)) - began == 3
    assert None not in {each.wake_at for each in sleeps(car)[-3:]}
    car.pass_time(sleeps(car)[-1].wake_at - car.now + 1)  # type: ignore[operator]  # not None: looked at above
    assert state(car) == "visiting"
    told(car)
    car.pass_time(VISIT_S)
    assert (state(car), sleeps(car)[-1]) == ("off", GoToSleep(None, None))


@HAPPENS
def test_what_happens_at_the_end_of_its_days_has_days_of_its_own(
    happens: Callable[[Driver], None],
) -> None:
    car = parked()
    told(car)
    until(car, LISTEN_S + WAKE_S - 2 * HOUR_S)
    happens(car)
    happened_at = car.now - START_S
    until(car, happened_at + WAKE_S - 2 * HOUR_S)
    assert state(car) in {"asleep", "visiting"}
    until(car, happened_at + WAKE_S + DAY_S)
    assert (state(car), sleeps(car)[-1]) == ("off", GoToSleep(None, None)), "nobody hears of it"


def test_what_the_centre_has_prolongs_nothing() -> None:
    car = parked()
    until(car, LISTEN_S + WAKE_S - 2 * HOUR_S)
    sound_the_alarm(car)
    told(car)
    until(car, LISTEN_S + WAKE_S + HOUR_S)
    assert state(car) == "off"


def test_telemetry_prolongs_nothing() -> None:
    car = parked()
    told(car)
    until(car, 30 * DAY_S)
    car.wake_up()
    before = len(list(car.appended()))
    car.change({vss.DOORS_OPEN[0]: True})
    car.pass_time(1)
    car.change({vss.DOORS_OPEN[0]: False})
    car.fall_asleep()
    assert {each.kind for each in list(car.appended())[before:]} == {EventKind.STATE_CHANGED}  # type: ignore[union-attr]  # events
    car.pass_time(HOUR_S)
    assert state(car) == "off"


def test_a_restart_does_not_forget_it() -> None:
    car = parked()
    told(car)
    until(car, 30 * DAY_S)
    sound_the_alarm(car)
    car.restart(new_session=True)
    car.pass_time(10 * HOUR_S)
    assert state(car) in {"asleep", "visiting"}
