"""ON CALL behind `Core.handle`: button, call, lamp, restarts."""

from __future__ import annotations

import pytest

from tcu_agent.core import events, vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Lamp, Persist, SendMessage, ShowCallState
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import CallState, EventKind, Reason
from tests.core.driver import Driver, Failure

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


def test_a_press_asks_for_a_call(car: Driver) -> None:
    press(car)
    car.pass_time(0.099)
    assert car.events(EventKind.ON_CALL_PRESSED) == []
    car.pass_time(0.001)
    (event,) = car.events(EventKind.ON_CALL_PRESSED)
    assert event.incident_id is not None
    assert len(event.incident_id) == 16
    assert car.shown[-1] == ShowCallState(Lamp.PULSING, CallState.REQUESTED)
    kinds = [type(effect) for _, effect in car.done]
    assert kinds[-3:] == [Persist, SendMessage, ShowCallState]


def test_each_incident_has_an_id_of_its_own(calling: Driver) -> None:
    calling.control(CallState.ENDED, 1)
    tap(calling)
    first, second = calling.events(EventKind.ON_CALL_PRESSED)
    assert first.incident_id != second.incident_id


def test_a_bounce_is_no_press(car: Driver) -> None:
    for _ in range(5):
        press(car)
        car.pass_time(0.06)
        release(car)
        car.pass_time(0.02)
    car.pass_time(1)
    assert car.events(EventKind.ON_CALL_PRESSED) == []


def test_pressed_said_again_does_not_begin_anew(car: Driver) -> None:
    press(car)
    car.pass_time(0.06)
    press(car)
    car.pass_time(0.05)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


def test_a_press_that_is_looked_at_late_is_still_one(car: Driver) -> None:
    pressed_at = car.now
    press(car)
    car.jump(0.5)
    car.change({BUTTON: False}, at=pressed_at + 0.2)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


def test_a_bounce_that_is_looked_at_late_is_none(car: Driver) -> None:
    pressed_at = car.now
    press(car)
    car.jump(0.5)
    car.change({BUTTON: False}, at=pressed_at + 0.05)
    car.pass_time(1)
    assert car.events(EventKind.ON_CALL_PRESSED) == []


def test_pressed_at_start_is_no_press_until_seen_released() -> None:
    car = Driver(signals={BUTTON: True})
    car.pass_time(1)
    assert car.events(EventKind.ON_CALL_PRESSED) == []
    release(car)
    tap(car)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


@pytest.mark.parametrize("held_s", [0.0, 0.05, 0.5, 3.0, 11.0])
def test_a_lost_signal_must_be_seen_released_again(car: Driver, held_s: float) -> None:
    if held_s:
        press(car)
        car.pass_time(held_s)
    calls = len(car.events(EventKind.ON_CALL_PRESSED))
    car.change({BUTTON: None})
    press(car)
    car.pass_time(20)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == calls
    assert car.core.snapshot()["button"] == "unseen"


def told_beside(car: Driver) -> list[bytes | None]:
    """Return the incident ids of presses that were told beside the stream."""
    pressed = EventKind.ON_CALL_PRESSED
    return [each.incident_id for each in car.sent(Event) if (each.kind, each.seq) == (pressed, 0)]


def test_a_press_is_told_beside_the_stream_at_every_connection_until_it_is_answered(
    car: Driver,
) -> None:
    press(car)
    car.pass_time(0.2)
    (event,) = car.events(EventKind.ON_CALL_PRESSED)
    assert told_beside(car) == [event.incident_id]
    car.put(events.Connected(2))
    assert told_beside(car) == [event.incident_id] * 2
    car.control(CallState.RINGING, 1)
    car.put(events.Connected(3))
    assert told_beside(car) == [event.incident_id] * 2


@pytest.mark.parametrize("restarts", [False, True])
def test_a_press_on_a_full_disk_and_without_a_link_is_told_at_the_next_connection(
    car: Driver, restarts: bool
) -> None:
    if not restarts:
        car.failures.append(Failure(lambda each: isinstance(each, Persist), times=1_000_000))
    car.put(events.Disconnected())
    press(car)
    car.pass_time(1.0)
    if restarts:
        car.restart()
    before = len(told_beside(car))
    car.put(events.Connected(2))
    assert len(told_beside(car)) == before + 1


def test_a_connection_without_a_call_tells_of_none(car: Driver) -> None:
    car.put(events.Connected(2))
    assert told_beside(car) == []


def test_the_press_that_wakes_the_bus_counts(car: Driver) -> None:
    car.fall_asleep()
    car.pass_time(3600)
    car.signals[BUTTON] = True
    car.wake_up()
    car.pass_time(0.2)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


def test_the_press_that_wakes_a_bus_that_the_start_found_asleep_counts() -> None:
    car = Driver(awake=False)
    car.fall_asleep()
    car.signals[BUTTON] = True
    car.wake_up()
    car.pass_time(0.2)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


@pytest.mark.parametrize("first", [True, None])
def test_a_button_that_the_start_finds_pressed_or_unknown_is_no_press(first: bool | None) -> None:
    car = Driver(awake=False)
    car.change({BUTTON: first})
    car.change({BUTTON: True})
    car.fall_asleep()
    car.signals[BUTTON] = True
    car.wake_up()
    car.pass_time(20)
    assert car.events(EventKind.ON_CALL_PRESSED) == []


def test_the_press_that_wakes_the_bus_counts_if_the_button_fell_silent_first(car: Driver) -> None:
    car.change({BUTTON: None})
    car.fall_asleep()
    car.pass_time(3600)
    car.signals[BUTTON] = True
    car.wake_up()
    car.pass_time(0.2)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


def test_a_button_that_was_lost_and_is_there_again_released_is_released(car: Driver) -> None:
    car.change({BUTTON: None})
    car.change({BUTTON: False})
    press(car)
    car.pass_time(0.2)
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


@pytest.mark.parametrize("held_s", [0.05, 0.5, 3.0, 11.0])
def test_a_bus_that_sleeps_with_the_button_pressed(car: Driver, held_s: float) -> None:
    press(car)
    car.pass_time(held_s)
    car.fall_asleep()
    assert car.core.snapshot()["button"] == "unseen"


def test_a_sleeping_bus_without_the_button_says_nothing_about_it(car: Driver) -> None:
    press(car)
    car.signals.pop(BUTTON)
    car.fall_asleep()
    assert car.core.snapshot()["button"] == "pressing"


def test_a_stuck_button_is_told_once_and_the_call_stays(car: Driver) -> None:
    press(car)
    car.pass_time(9.9)
    assert car.events(EventKind.BUTTON_FAULT) == []
    car.pass_time(20)
    (event,) = car.events(EventKind.BUTTON_FAULT)
    assert event.reason is Reason.STUCK_BUTTON
    assert event.incident_id == car.events(EventKind.ON_CALL_PRESSED)[0].incident_id
    assert call_state(car) is CallState.REQUESTED
    release(car)
    assert car.core.snapshot()["button"] == "released"


def test_a_button_that_is_stuck_when_the_call_is_over(car: Driver) -> None:
    press(car)
    car.pass_time(1)
    car.control(CallState.ENDED, 1)
    car.pass_time(10)
    assert car.events(EventKind.BUTTON_FAULT)[0].incident_id is None
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1


def test_the_centre_leads_through_the_call(calling: Driver) -> None:
    calling.control(CallState.RINGING, 1)
    assert (lamp(calling), call_state(calling)) == (Lamp.PULSING, CallState.RINGING)
    calling.control(CallState.CONNECTED, 2)
    assert (lamp(calling), call_state(calling)) == (Lamp.ON, CallState.CONNECTED)
    calling.pass_time(600)
    assert call_state(calling) is CallState.CONNECTED
    calling.control(CallState.ENDED, 3)
    assert (lamp(calling), call_state(calling)) == (Lamp.OFF, CallState.ENDED)
    calling.pass_time(5)
    assert (lamp(calling), call_state(calling)) == (Lamp.OFF, CallState.IDLE)
    assert [state for state, _ in told(calling)] == ["ringing", "connected", "ended"]
    assert records.CALL not in calling.stored


def test_a_call_that_the_centre_fails_shows_an_error_for_a_while(calling: Driver) -> None:
    calling.control(CallState.FAILED, 1)
    assert lamp(calling) is Lamp.ERROR
    calling.pass_time(4.9)
    assert lamp(calling) is Lamp.ERROR
    calling.pass_time(0.1)
    assert lamp(calling) is Lamp.OFF


def test_call_control_that_does_not_fit_changes_nothing(calling: Driver) -> None:
    calling.control(CallState.CONNECTED, 1)
    assert "call-control-ignored" not in calling.notes
    shown = len(calling.shown)
    calling.control(CallState.RINGING, 2)
    assert len(calling.shown) == shown
    assert calling.notes.count("call-control-ignored") == 1
    calling.control(CallState.ENDED, 2)
    assert call_state(calling) is CallState.ENDED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"incident_id": bytes(16)}, Reason.UNKNOWN_INCIDENT),
        ({"boot_id": bytes(8)}, Reason.BOOT_ID_MISMATCH),
    ],
)
def test_foreign_call_control_is_refused(
    calling: Driver, changes: dict[str, bytes], reason: Reason
) -> None:
    calling.control(CallState.ENDED, 1, **changes)
    assert calling.refusals == [reason]
    assert call_state(calling) is CallState.REQUESTED


def test_repeated_call_control_is_refused(calling: Driver) -> None:
    calling.control(CallState.RINGING, 5)
    calling.control(CallState.CONNECTED, 5)
    assert calling.refusals == [Reason.STALE_REQUEST]
    assert call_state(calling) is CallState.RINGING


@pytest.mark.parametrize("ringing", [False, True])
def test_a_call_that_is_not_connected_in_time_has_failed(calling: Driver, ringing: bool) -> None:
    if ringing:
        calling.control(CallState.RINGING, 1)
    calling.pass_time(59.5)
    assert lamp(calling) is Lamp.PULSING
    calling.pass_time(0.1)
    assert lamp(calling) is Lamp.ERROR
    assert told(calling)[-1] == ("failed", Reason.NOT_CONNECTED_IN_TIME)


def test_a_new_press_while_the_error_is_shown_asks_again(calling: Driver) -> None:
    calling.control(CallState.FAILED, 1)
    tap(calling)
    assert len(calling.events(EventKind.ON_CALL_PRESSED)) == 2
    assert lamp(calling) is Lamp.PULSING
    calling.pass_time(30)
    assert lamp(calling) is Lamp.PULSING


# ---------------------------------------------------------------- hanging up


@pytest.mark.parametrize("connected", [False, True])
def test_held_for_two_seconds_hangs_up(calling: Driver, connected: bool) -> None:
    if connected:
        calling.control(CallState.CONNECTED, 1)
    press(calling)
    calling.pass_time(1.99)
    assert calling.events(EventKind.HANG_UP) == []
    calling.pass_time(0.01)
    (event,) = calling.events(EventKind.HANG_UP)
    assert event.incident_id == calling.events(EventKind.ON_CALL_PRESSED)[0].incident_id
    assert call_state(calling) is CallState.ENDED
    calling.pass_time(3)
    assert len(calling.events(EventKind.HANG_UP)) == 1
    assert len(calling.events(EventKind.ON_CALL_PRESSED)) == 1


def test_a_short_press_during_a_call_does_nothing(calling: Driver) -> None:
    calling.control(CallState.CONNECTED, 1)
    before = len(calling.done)
    tap(calling, 1.9)
    assert not any(isinstance(effect, Persist) for _, effect in calling.done[before:])
    assert call_state(calling) is CallState.CONNECTED


def test_the_press_that_asked_for_the_call_does_not_hang_up(car: Driver) -> None:
    press(car)
    car.pass_time(1)
    car.control(CallState.CONNECTED, 1)
    car.pass_time(5)
    assert car.events(EventKind.HANG_UP) == []
    assert call_state(car) is CallState.CONNECTED


def test_a_press_during_which_the_call_ends_neither_hangs_up_nor_calls(calling: Driver) -> None:
    press(calling)
    calling.pass_time(1)
    calling.control(CallState.ENDED, 1)
    calling.pass_time(20)
    assert calling.events(EventKind.HANG_UP) == []
    assert len(calling.events(EventKind.ON_CALL_PRESSED)) == 1
