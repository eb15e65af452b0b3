"""What the car tells by itself, and when asked."""

from __future__ import annotations

import pytest

from tcu_agent.core import events, vss
from tcu_agent.core.events import SecurityObserved, Value
from tcu_agent.core.reports.reports import STATE_BURST, STATE_PER_MINUTE, STATE_WAITING
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Reason, Service
from tests.core.driver import Driver, settings
from tests.protocol import signing


def told(car: Driver) -> list[dict[str, Value]]:
    return [dict(event.values) for event in car.events(EventKind.STATE_CHANGED)]


def test_all_changes_of_one_frame_are_one_event(car: Driver) -> None:
    before = len(told(car))
    car.change({vss.DOORS_OPEN[0]: True, vss.DOOR_LOCKS[0]: False, vss.SPEED_KMH: 0.0})
    assert told(car)[before:] == [{vss.DOORS_OPEN[0]: True, vss.DOOR_LOCKS[0]: False}]


def test_what_did_not_change_is_not_told(car: Driver) -> None:
    before = len(told(car))
    car.locks(True)
    car.change({vss.LATITUDE: 1.0})
    assert told(car)[before:] == []


def test_stale_is_told_as_unknown(car: Driver) -> None:
    car.change({vss.DOOR_LOCKS[0]: None})
    assert told(car)[-1] == {vss.DOOR_LOCKS[0]: None}


def test_sleep_and_waking_up_are_no_changes(car: Driver) -> None:
    before = len(told(car))
    car.fall_asleep()
    car.pass_time(3600)
    car.wake_up()
    assert told(car)[before:] == []


def test_what_changed_during_a_sleep_is_told(car: Driver) -> None:
    car.fall_asleep()
    car.signals[vss.DOOR_LOCKS[4]] = False
    car.wake_up()
    assert told(car)[-1] == {vss.DOOR_LOCKS[4]: False}


def test_positions_are_never_told(car: Driver) -> None:
    """Whatever it tells: a press, an alarm, a tow to an open case, a bus, its states; neither a path nor a number."""
    here: dict[str, Value] = {
        vss.LATITUDE: 57.689,
        vss.LONGITUDE: 11.981,
        vss.ACCURACY_M: 5.0,
        vss.FIX_TYPE: "THREE_D",
    }
    car.change(here)
    car.change({**here, vss.LATITUDE: 57.789})
    car.change({vss.ON_CALL_BUTTON: True, vss.ALARM: "triggered"})
    car.put(events.BusFaulted("body", "bus-off"))
    car.ask(Service.STATE)
    car.allow(Service.POSITION)
    car.pass_time(600)
    told_by = [event for event in car.appended() if isinstance(event, Event)]
    said = repr([event.values for event in told_by])
    assert {
        EventKind.TOWED,
        EventKind.ALARM,
        EventKind.BUS_STATE,
        EventKind.ON_CALL_PRESSED,
        EventKind.STATE_CHANGED,
        EventKind.STATE_REPORT,
    } <= {event.kind for event in told_by}
    assert car.positions
    assert not any(words in said for words in ("CurrentLocation", "57.", "11.9", "57689", "57789"))


def test_only_what_the_car_reports_is_told() -> None:
    car = Driver(settings=settings(reported=vss.DOORS_OPEN))
    car.provision()
    car.locks(False)
    assert told(car) == []
    car.ask(Service.STATE)
    assert set(car.events(EventKind.STATE_REPORT)[0].values) == set(vss.DOORS_OPEN)


def test_a_state_request_is_answered_at_once(car: Driver) -> None:
    car.change({vss.DOOR_LOCKS[2]: None})
    request = car.ask(Service.STATE)
    (report,) = car.events(EventKind.STATE_REPORT)
    assert report.request_id == request.request_id
    assert report.incident_id == request.incident_id
    assert set(report.values) == set(vss.REPORTED)
    assert report.values[vss.DOOR_LOCKS[0]] is True
    assert report.values[vss.DOOR_LOCKS[2]] is None
    assert car.core.snapshot()["challenges"] == 0


def test_a_state_request_wakes_nothing(car: Driver) -> None:
    car.fall_asleep()
    car.ask(Service.STATE)
    assert car.wakes == []
    assert set(car.events(EventKind.STATE_REPORT)[0].values.values()) == {None}


def reports(car: Driver) -> int:
    return len(car.events(EventKind.STATE_REPORT))


def test_a_stolen_command_key_cannot_fill_the_disk_with_state_reports(car: Driver) -> None:
    """Nothing is acknowledged: what was asked for waits in the outbox, and more is not put beside it."""
    for _ in range(50):
        car.ask(Service.STATE)
        car.jump(30)
    assert reports(car) == STATE_WAITING
    assert set(car.refusals) == {Reason.BUSY}
    stored = [
        m for m in car.outbox.values() if isinstance(m, Event) and m.kind is EventKind.STATE_REPORT
    ]
    assert len(stored) == STATE_WAITING


def test_an_acknowledgement_makes_room_for_another_state_report(car: Driver) -> None:
    for _ in range(STATE_WAITING + 1):
        car.ask(Service.STATE)
    assert car.refusals == [Reason.BUSY]
    first = car.events(EventKind.STATE_REPORT)[0]
    car.receive("ack", signing.sign(car.centre.ack(first.seq, first.stream_id)))
    car.ask(Service.STATE)
    assert car.refusals == [Reason.BUSY]
    assert reports(car) == STATE_WAITING + 1


def test_a_state_that_is_asked_for_all_the_time_is_told_now_and_then(car: Driver) -> None:
    """Acknowledged at once, so only how often it is asked for counts."""
    began = car.now
    for _ in range(400):
        car.ask(Service.STATE)
        last = car.core.snapshot()
        stream_id = bytes.fromhex(str(last["stream_id"]))
        car.receive("ack", signing.sign(car.centre.ack(int(str(last["last_seq"])), stream_id)))
        car.pass_time(0.5)
    allowed = STATE_BURST + STATE_PER_MINUTE * (car.now - began) / 60
    assert allowed - 2 <= reports(car) <= allowed
    car.pass_time(60)
    before = reports(car)
    car.ask(Service.STATE)
    assert reports(car) == before + 1


def test_bus_faults_are_told_once(car: Driver) -> None:
    for state in ("error-active", "bus-off", "bus-off", "error-active"):
        car.put(events.BusFaulted("body", state))
    assert [event.values[vss.BUS_STATE] for event in car.events(EventKind.BUS_STATE)] == [
        "bus-off",
        "error-active",
    ]
    assert car.events(EventKind.BUS_STATE)[0].values[vss.BUS_NAME] == "body"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("e2e-failed", Reason.E2E_FAILED),
        ("own-id-from-other-node", Reason.OWN_ID_FROM_OTHER_NODE),
        ("late-on-the-bus", Reason.LATE_ON_THE_BUS),
        ("something-new", Reason.NONE),
    ],
)
def test_security_observations_are_told(car: Driver, kind: str, reason: Reason) -> None:
    car.put(SecurityObserved("body", kind, "DoorLockStatus", 12))
    (event,) = car.events(EventKind.SECURITY)
    assert event.reason is reason
    assert event.values == {
        vss.BUS_NAME: "body",
        vss.OBSERVED_MESSAGE: "DoorLockStatus",
        vss.OBSERVED_COUNT: 12,
    }


@pytest.mark.parametrize("command", ["unlock", "lock"])
def test_a_command_that_was_observed_is_named(car: Driver, command: str) -> None:
    car.put(SecurityObserved("body", "late-on-the-bus", "CentralLockCommand", 1, command))
    (event,) = car.events(EventKind.SECURITY)
    assert event.values[vss.OBSERVED_COMMAND] == command


def test_what_a_mapping_calls_something_is_cut_to_what_an_event_can_carry(car: Driver) -> None:
    car.put(SecurityObserved("b" * 99, "e2e-failed", "M" * 99, 1))
    car.put(events.BusFaulted("c" * 99, "bus-off"))
    car.change({vss.USAGE_MODE: "u" * 99, vss.ALARM: 1.6})
    values = [
        *car.events(EventKind.SECURITY)[0].values.values(),
        *car.events(EventKind.BUS_STATE)[0].values.values(),
        *car.events(EventKind.STATE_CHANGED)[-1].values.values(),
    ]
    assert max(len(str(value)) for value in values) == 64
    assert 2 in values


def test_an_attacker_on_the_bus_cannot_fill_the_disk(car: Driver) -> None:
    for count in range(100):
        car.put(SecurityObserved("body", "e2e-failed", "DoorLockStatus", count))
    assert len(car.events(EventKind.SECURITY)) == 10
    assert car.notes.count("event-dropped") == 89


def test_a_bus_that_flickers_does_not_hide_an_attack(car: Driver) -> None:
    for count in range(100):
        car.put(events.BusFaulted("body", ("error-warning", "error-active")[count % 2]))
    assert len(car.events(EventKind.BUS_STATE)) == 10
    assert car.events(EventKind.BUS_STATE)[-1].values[vss.BUS_STATE] == "error-active"
    car.put(SecurityObserved("body", "own-id-from-other-node", "CentralLockCommand", 1))
    assert len(car.events(EventKind.SECURITY)) == 1


# ---------------------------------------------------------------- unlocked by nobody who should


def opens(car: Driver, source: Value) -> None:
    car.change({vss.DOOR_LOCKS[0]: False, vss.LOCKING_SOURCE: source})


@pytest.mark.parametrize("source", ["none", "remote-command", "automatic"])
def test_an_unlock_by_nobody_is_a_security_event(car: Driver, source: str) -> None:
    opens(car, source)
    (event,) = car.events(EventKind.SECURITY)
    assert event.reason is Reason.UNEXPECTED_UNLOCK
    assert event.values == {vss.DOOR_LOCKS[0]: False, vss.LOCKING_SOURCE: source}


@pytest.mark.parametrize("source", ["key", "inside-button", None])
def test_an_unlock_by_a_person_is_none(car: Driver, source: Value) -> None:
    opens(car, source)
    assert car.events(EventKind.SECURITY) == []


def test_a_car_in_use_may_be_unlocked(car: Driver) -> None:
    car.change({vss.USAGE_MODE: "inactive"})
    opens(car, "automatic")
    assert car.events(EventKind.SECURITY) == []


def test_our_own_unlock_is_expected_also_when_it_is_late(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(6)
    opens(car, "remote-command")
    assert car.events(EventKind.SECURITY) == []
    car.change({vss.DOOR_LOCKS[0]: True})
    car.pass_time(24)
    opens(car, "remote-command")
    assert car.events(EventKind.SECURITY) == []
    car.change({vss.DOOR_LOCKS[0]: True})
    car.pass_time(0.1)
    opens(car, "remote-command")
    assert len(car.events(EventKind.SECURITY)) == 1


def test_without_a_subscription_nobody_is_told() -> None:
    car = Driver()
    car.receive("trust", signing.trust_container())
    opens(car, "none")
    assert car.events(EventKind.SECURITY) == []
    assert told(car) == []
