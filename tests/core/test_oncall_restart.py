"""ON CALL through restarts, without trust, with broken state: never silenced."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Lamp, Persist
from tcu_agent.core.events import Connected
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import CallState, EventKind, Reason
from tests.core.driver import Driver, Failure, settings

BUTTON = vss.ON_CALL_BUTTON


def press(car: Driver) -> None:
    car.change({BUTTON: True})


def release(car: Driver) -> None:
    car.change({BUTTON: False})


def tap(car: Driver, duration_s: float = 0.3) -> None:
    press(car)
    car.pass_time(duration_s)
    release(car)
    car.pass_time(0.1)


def call_state(car: Driver) -> CallState:
    return car.shown[-1].call_state


def lamp(car: Driver) -> Lamp:
    return car.shown[-1].lamp


def told(car: Driver) -> list[tuple[object, Reason]]:
    return [
        (event.values[vss.CALL_STATE], event.reason) for event in car.events(EventKind.CALL_STATE)
    ]


@pytest.fixture
def calling(car: Driver) -> Driver:
    """A car whose button was pressed and let go: the call is asked for."""
    tap(car)
    return car


def test_a_press_survives_a_restart_within_its_time(calling: Driver) -> None:
    calling.restart(off_s=20)
    assert (lamp(calling), call_state(calling)) == (Lamp.PULSING, CallState.REQUESTED)
    assert len(calling.events(EventKind.ON_CALL_PRESSED)) == 1
    calling.control(CallState.RINGING, 1)
    assert call_state(calling) is CallState.RINGING
    calling.restart(off_s=1)
    assert call_state(calling) is CallState.RINGING
    calling.pass_time(60)
    assert call_state(calling) in {CallState.FAILED, CallState.IDLE}


def test_a_press_whose_time_passed_while_off_has_failed(calling: Driver) -> None:
    calling.restart(off_s=60)
    assert lamp(calling) is Lamp.ERROR
    assert told(calling) == [("failed", Reason.NOT_CONNECTED_IN_TIME)]


def test_after_a_power_cut_the_wall_clock_tells_the_time(calling: Driver) -> None:
    calling.restart(new_session=True, off_s=20)
    assert call_state(calling) is CallState.REQUESTED
    assert len(calling.events(EventKind.ON_CALL_PRESSED)) == 1
    calling.pass_time(39)
    assert call_state(calling) is CallState.REQUESTED
    calling.pass_time(1)
    assert lamp(calling) is Lamp.ERROR


def test_after_a_power_cut_too_long_ago(calling: Driver) -> None:
    calling.restart(new_session=True, off_s=100)
    assert lamp(calling) is Lamp.ERROR


@pytest.mark.parametrize("offset", [None, -1e9])
def test_when_nothing_is_proven_the_call_is_asked_for_again(
    calling: Driver, offset: float | None
) -> None:
    calling.wall_offset = offset
    calling.restart(new_session=True, off_s=100)
    first, second = calling.events(EventKind.ON_CALL_PRESSED)
    assert first.incident_id == second.incident_id
    assert lamp(calling) is Lamp.PULSING
    calling.control(CallState.CONNECTED, 1, boot_id=first.boot_id)
    assert call_state(calling) is CallState.CONNECTED


def test_a_press_without_a_wall_clock_is_asked_for_again_after_a_power_cut() -> None:
    car = Driver(wall_offset=None)
    tap(car)
    car.wall_offset = 1.8e9
    car.restart(new_session=True)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 2


def test_a_connected_call_survives_the_agents_restart_only(calling: Driver) -> None:
    calling.control(CallState.CONNECTED, 1)
    calling.restart(off_s=300)
    assert (lamp(calling), call_state(calling)) == (Lamp.ON, CallState.CONNECTED)
    calling.restart(new_session=True)
    assert call_state(calling) is CallState.ENDED
    assert told(calling)[-1] == ("ended", Reason.RESTARTED)
    tap(calling)
    assert call_state(calling) is CallState.REQUESTED


# ---------------------------------------------------------------- never silenced


def test_a_car_without_trust_and_account_can_call() -> None:
    car = Driver()
    tap(car)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1
    car.pass_time(60)
    assert lamp(car) is Lamp.ERROR


def test_a_car_whose_subscription_ended_can_call(car: Driver) -> None:
    car.tell_account(version=8, pin_generation=4, ownership_generation=3, subscription_active=False)
    tap(car)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


def test_a_corrupt_call_is_no_call_and_concerns_nothing_else(calling: Driver) -> None:
    calling.stored[records.CALL] = b"\xff"
    calling.restart()
    assert lamp(calling) is Lamp.OFF
    assert calling.core.snapshot()["is_corrupt"] is False
    tap(calling)
    assert len(calling.events(EventKind.ON_CALL_PRESSED)) == 2


def test_corrupt_state_does_not_silence_it(car: Driver) -> None:
    car.stored.update(dict.fromkeys(list(car.stored), b"\xff"))
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is True
    tap(car)
    assert lamp(car) is Lamp.PULSING
    (event,) = car.sent(Event)
    assert (event.kind, event.seq) == (EventKind.ON_CALL_PRESSED, 0)


def test_state_that_cannot_be_read_at_all_does_not_silence_it(car: Driver) -> None:
    car.restart(with_store=False)
    assert car.core.snapshot()["is_corrupt"] is True
    tap(car)
    assert lamp(car) is Lamp.PULSING
    assert [event.kind for event in car.sent(Event)] == [EventKind.ON_CALL_PRESSED]


def test_a_broken_disk_does_not_silence_it(car: Driver) -> None:
    car.failures.append(Failure(lambda effect: isinstance(effect, Persist), times=3))
    press(car)
    car.pass_time(0.2)
    (event,) = car.sent(Event)
    assert (event.kind, event.seq) == (EventKind.ON_CALL_PRESSED, 0)
    assert lamp(car) is Lamp.PULSING
    car.pass_time(5)
    assert len(car.sent(Event)) == 1
    (durable,) = car.events(EventKind.ON_CALL_PRESSED)
    assert durable.incident_id == event.incident_id
    assert durable.seq > 0


def test_times_are_settings() -> None:
    car = Driver(
        settings=settings(
            press_ms=500, hang_up_s=4, stuck_s=20, connect_timeout_s=30, call_shown_s=2
        )
    )
    tap(car, 0.4)
    assert car.events(EventKind.ON_CALL_PRESSED) == []
    tap(car, 0.6)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1
    press(car)
    car.pass_time(3.9)
    assert car.events(EventKind.HANG_UP) == []
    car.pass_time(0.1)
    assert len(car.events(EventKind.HANG_UP)) == 1
    car.pass_time(15.9)
    assert car.events(EventKind.BUTTON_FAULT) == []
    car.pass_time(0.2)
    assert len(car.events(EventKind.BUTTON_FAULT)) == 1


@pytest.mark.parametrize("new_session", [False, True])
def test_a_press_told_after_a_restart_can_be_answered(calling: Driver, new_session: bool) -> None:
    """The centre may get that one first: the agent died before the first one had left."""
    calling.wall_offset = None
    calling.restart(off_s=1, new_session=new_session)
    calling.put(Connected(2))
    told_again = calling.sent(Event)[-1]

    calling.control(CallState.CONNECTED, 1, boot_id=told_again.boot_id)

    assert call_state(calling) is CallState.CONNECTED
