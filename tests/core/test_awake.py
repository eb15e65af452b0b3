"""What a parked car does not sleep over, what it offers until when, and what a restart makes of its days."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_agent.core import vss
from tcu_agent.core.availability.record import ParkedRecord
from tcu_agent.core.effects import Persist, WakeUp
from tcu_agent.core.events import Value
from tcu_agent.protocol.messages import PositionParameters
from tcu_agent.protocol.vocabulary import CallState, EventKind, PositionKind, Reason, Service
from tests.core.driver import PARKED, Driver, Failure
from tests.core.parked import (
    DAY_S,
    HOUR_S,
    LISTEN_S,
    START_S,
    VISIT_S,
    parked,
    sleeps,
    state,
    told,
    until,
)
from tests.protocol import signing


@pytest.fixture(name="car")
def _car() -> Driver:
    """Return a parked car whose bus sleeps."""
    return parked()


def test_a_bus_that_is_heard_is_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S - 5)
    car.wake_up()
    car.pass_time(60)
    assert state(car) == "listening"
    car.fall_asleep()
    car.pass_time(10)
    assert state(car) == "asleep"


def test_a_challenge_is_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S - 5)
    car.ask(Service.UNLOCK)
    car.pass_time(25)
    assert state(car) == "listening"
    car.pass_time(20)
    assert state(car) == "asleep"


def test_an_unlock_and_its_relock_are_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S - 5)
    car.allow(Service.UNLOCK)
    car.wake_up()
    car.pass_time(0.3)
    car.locks(False)
    car.fall_asleep()
    car.pass_time(100)
    assert state(car) == "listening"
    car.pass_time(25)
    car.wake_up()
    car.pass_time(1)
    car.locks(True)
    car.fall_asleep()
    car.pass_time(15)
    assert len(car.events(EventKind.RELOCKED)) == 1
    assert state(car) == "asleep"


def test_a_tracking_is_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S - 5)
    car.allow(Service.POSITION, parameters=PositionParameters(PositionKind.TRACKING, 60, 6000))
    car.pass_time(5900)
    assert state(car) == "listening"
    car.pass_time(120)
    assert state(car) == "asleep"


def test_what_begins_in_the_last_moment_before_the_link_is_down_wakes_it(car: Driver) -> None:
    until(car, LISTEN_S)
    assert state(car) == "asleep"
    grant = car.grant_for(car.ask(Service.POSITION))
    car.receive("grant", grant)
    car.fire()
    assert state(car) == "visiting"
    assert len(car.seen(WakeUp)) == 1


def test_a_call_is_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S + 600)
    car.wake_up()
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(0.3)
    car.change({vss.ON_CALL_BUTTON: False})
    car.fall_asleep()
    car.control(CallState.CONNECTED, 1)
    car.pass_time(3600)
    assert state(car) == "visiting"
    car.control(CallState.ENDED, 2)
    car.pass_time(20)
    assert state(car) == "asleep"


def test_an_alarm_that_counts_is_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S - 5)
    car.wake_up()
    car.change({vss.ALARM: "triggered"})
    car.fall_asleep()
    car.pass_time(29)
    assert state(car) == "listening"
    car.pass_time(20)
    assert len(car.events(EventKind.ALARM)) == 1
    assert state(car) == "asleep"


def test_what_is_not_durable_is_not_slept_over(car: Driver) -> None:
    until(car, LISTEN_S - 5)
    car.failures.append(Failure(lambda each: isinstance(each, Persist), times=30))
    car.wake_up()
    car.change({vss.DOORS_OPEN[0]: True})
    car.fall_asleep()
    car.pass_time(20)
    assert state(car) == "listening"
    car.pass_time(60)
    assert state(car) == "asleep"


# ---------------------------------------------------------------- the services of a parked car


@pytest.mark.parametrize("mode", ["abandoned", "inactive"])
def test_an_unlock_can_be_asked_for_in_its_days_alone(mode: str) -> None:
    car = Driver(signals={**PARKED, vss.USAGE_MODE: mode})
    car.provision()
    car.fall_asleep()
    until(car, LISTEN_S - 1)
    car.ask(Service.UNLOCK)
    assert car.refusals == []
    until(car, LISTEN_S + HOUR_S + 1)
    request = car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.PARKED_TOO_LONG]
    assert car.challenge.common.request_id != request.request_id


def test_other_services_go_on_in_its_visits(car: Driver) -> None:
    until(car, LISTEN_S + HOUR_S + 1)
    for service in set(Service) - {Service.UNLOCK, Service.STATE}:
        request = car.ask(service)
        assert car.challenge.common.request_id == request.request_id
        car.pass_time(31)
    assert car.refusals == []


def test_a_car_in_use_has_no_such_days(car: Driver) -> None:
    until(car, 10 * DAY_S)
    car.wake_up()
    car.change({vss.USAGE_MODE: "active"})
    car.pass_time(10)
    car.ask(Service.UNLOCK)
    assert car.refusals == []


# ---------------------------------------------------------------- restarts


@pytest.mark.parametrize("new_session", [False, True])
def test_a_restart_does_not_begin_the_days_again(car: Driver, new_session: bool) -> None:
    until(car, 2 * DAY_S)
    car.restart(new_session=new_session)
    until(car, LISTEN_S)
    assert sleeps(car)[-1].wake_at == START_S + LISTEN_S + HOUR_S


@pytest.mark.parametrize("new_session", [False, True])
@pytest.mark.parametrize("at_s", [LISTEN_S + 60, LISTEN_S + HOUR_S + 60])
def test_a_start_in_the_days_of_visits_is_a_visit(
    car: Driver, at_s: float, new_session: bool
) -> None:
    until(car, at_s)
    car.restart(new_session=new_session)
    assert state(car) == "visiting"
    car.pass_time(VISIT_S)
    assert state(car) == "asleep"


@pytest.mark.parametrize("new_session", [False, True])
def test_a_start_after_its_days_is_one_visit(car: Driver, new_session: bool) -> None:
    until(car, 30 * DAY_S)
    car.restart(new_session=new_session)
    told(car)
    assert state(car) == "visiting"
    car.pass_time(VISIT_S)
    assert state(car) == "off"


def test_a_power_cut_without_a_clock_keeps_what_had_passed(car: Driver) -> None:
    until(car, LISTEN_S + 2 * HOUR_S)
    car.wall_offset = None
    car.restart(new_session=True, off_s=DAY_S)
    assert state(car) == "visiting"
    car.pass_time(20)
    assert car.core._parts.reachability.refusal(Service.UNLOCK, car.now) is Reason.PARKED_TOO_LONG


RECORD = ParkedRecord(parked_at=1000.0, boot_session="a", parked_wall=5000.0, elapsed_s=60.0)


@pytest.mark.parametrize(
    ("record", "session", "wall", "expected_s"),
    [
        (RECORD, "a", None, 500.0),
        (RECORD, "b", 5600.0, 600.0),
        (RECORD, "b", 5010.0, 60.0),
        (RECORD, "b", None, 60.0),
        (replace(RECORD, parked_wall=None), "b", 5600.0, 60.0),
    ],
)
def test_how_long_it_has_been_parked_at_least(
    record: ParkedRecord, session: str, wall: float | None, expected_s: float
) -> None:
    assert record.parked_for_s(boot_session=session, now=1500.0, wall=wall) == expected_s


def test_a_car_that_was_driven_is_parked_anew_by_a_restart(car: Driver) -> None:
    until(car, 3 * DAY_S)
    car.wake_up()
    car.change({vss.USAGE_MODE: "driving"})
    car.restart()
    assert state(car) == "in use"
    values: dict[str, Value] = {vss.USAGE_MODE: "abandoned"}
    car.change(values)
    assert state(car) == "listening"
    assert car.core._parts.reachability._due_at == car.now + LISTEN_S


def test_a_stolen_request_key_does_not_wake_what_sleeps(car: Driver) -> None:
    until(car, LISTEN_S + 60)
    car.receive("request", signing.sign(car.centre.request(Service.STATE)))
    assert state(car) == "asleep"
