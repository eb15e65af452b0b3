"""Calls: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.call.button import State as ButtonState
from tcu_agent.core.call.record import CallRecord
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import CallState, EventKind
from tests.core.driver import Driver
from tests.core.test_records import CALL

BUTTON = vss.ON_CALL_BUTTON


def tap(car: Driver) -> None:
    car.change({BUTTON: True})
    car.pass_time(0.3)
    car.change({BUTTON: False})
    car.pass_time(0.1)


def presses(car: Driver) -> int:
    return len(car.events(EventKind.ON_CALL_PRESSED))


def test_hanging_up_is_told_beside_the_stream_as_such_and_with_the_time(car: Driver) -> None:
    tap(car)
    car.control(CallState.CONNECTED, 1)
    car.change({BUTTON: True})
    car.pass_time(3)
    beside = [e for e in car.sent(Event) if e.seq == 0 and e.kind is EventKind.HANG_UP]
    (stored,) = car.events(EventKind.HANG_UP)
    assert [each.wall_time_ms for each in beside] == [stored.wall_time_ms]
    assert stored.wall_time_ms > 0


def test_a_restart_within_one_boot_needs_no_wall_clock() -> None:
    car = Driver(wall_offset=None)
    tap(car)
    car.restart(off_s=20)
    assert presses(car) == 1


def test_what_was_asked_for_again_counts_from_then_in_the_new_boot(car: Driver) -> None:
    car.wall_offset = None
    tap(car)
    car.restart(new_session=True)
    assert presses(car) == 2
    car.restart(off_s=20)
    assert presses(car) == 2
    assert car.shown[-1].call_state is CallState.REQUESTED


def test_what_was_asked_for_again_has_the_wall_clock_of_then() -> None:
    car = Driver(wall_offset=None)
    tap(car)
    car.wall_offset = 1.8e9
    car.restart(new_session=True)
    assert presses(car) == 2
    car.restart(new_session=True, off_s=20)
    assert presses(car) == 2
    car.restart(new_session=True, off_s=60)
    assert car.shown[-1].call_state is CallState.FAILED


@pytest.mark.parametrize(
    ("wall", "age_s"), [(99.0, None), (100.0, 0.0), (101.0, 1.0), (None, None)]
)
def test_in_another_boot_a_wall_clock_that_did_not_go_back_proves_the_age(
    wall: float | None, age_s: float | None
) -> None:
    record = CallRecord(
        incident_id=CALL.incident_id,
        boot_id=CALL.boot_id,
        boot_session="before",
        pressed_at=5.0,
        pressed_wall=100.0,
        state=CallState.REQUESTED,
    )
    assert record.age_s(boot_session="now", now=7.0, wall=wall) == age_s
    assert record.age_s(boot_session="before", now=7.0, wall=wall) == 2.0


def test_a_press_is_told_beside_the_stream_with_the_wall_clock_of_the_press(car: Driver) -> None:
    tap(car)
    (stored,) = car.events(EventKind.ON_CALL_PRESSED)
    beside = [e for e in car.sent(Event) if e.kind is EventKind.ON_CALL_PRESSED]
    assert {each.wall_time_ms for each in beside} == {stored.wall_time_ms} != {0}


def test_each_state_of_a_call_is_told_as_that_of_its_incident(car: Driver) -> None:
    tap(car)
    car.control(CallState.RINGING, 1)
    car.control(CallState.ENDED, 2)
    (pressed,) = car.events(EventKind.ON_CALL_PRESSED)
    states = car.events(EventKind.CALL_STATE)
    assert len(states) == 2
    assert {each.incident_id for each in states} == {pressed.incident_id}


def test_a_press_that_is_told_again_quotes_the_boot_in_which_it_happened(car: Driver) -> None:
    car.wall_offset = None
    tap(car)
    car.restart(new_session=True)
    first, second = car.events(EventKind.ON_CALL_PRESSED)
    assert second.boot_id == first.boot_id != car.boots.to_bytes(8, "big")


def test_a_press_counts_from_its_time_on_to_the_millisecond(car: Driver) -> None:
    car.settles = False
    car.change({BUTTON: True})
    assert car.core._parts.button.deadline == car.now + car.settings.press_ms / 1000


def test_a_button_that_says_a_word_is_lost(car: Driver) -> None:
    """Such as a value of the DBC that the mapping calls neither pressed nor released."""
    car.change({BUTTON: True})
    car.change({BUTTON: "defective"})
    car.pass_time(5)
    assert presses(car) == 0
    assert car.core._parts.button.machine.state is ButtonState.UNSEEN
