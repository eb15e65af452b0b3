"""BCM on a simulated clock: what a command, the key and each misbehaviour do to the locks and to the bus."""

from __future__ import annotations

import pytest

from tcu_sim.bus.frame import Frame
from tcu_sim.errors import NotPossible
from tcu_sim.vehicle.alarm import AlarmState
from tcu_sim.vehicle.body import Jam
from tcu_sim.vehicle.central_locking import Behaviour, Verdict
from tcu_sim.vehicle.reference import Door, LockPosition, LockSource, UsageMode
from tcu_sim.vehicle.secoc import secured
from tests.sim.stepped import Stepped

LOCKED, UNLOCKED, MOVING = LockPosition.LOCKED, LockPosition.UNLOCKED, LockPosition.MOVING


@pytest.fixture
def car() -> Stepped:
    car = Stepped()
    car.advance(0.5)
    return car


def responses(car: Stepped, since: float) -> list[tuple[object, object]]:
    """States with their counters, repetitions left out."""
    seen: list[tuple[object, object]] = []
    for signals in car.all("CentralLockResponse", since=since):
        entry = (signals["LockResponse"], signals["CommandCounterEcho"])
        if not seen or seen[-1] != entry:
            seen.append(entry)
    return seen


def test_it_starts_parked_locked_left_and_armed(car: Stepped) -> None:
    assert set(car.vehicle.locks.values()) == {LOCKED}
    assert car.locks_shown() == {"Locked"}
    assert car.last("UsageMode") == {"VehicleUsageMode": "Abandoned"}
    assert car.last("AlarmStatus") == {"AlarmState": "Armed"}
    assert car.last("CentralLockResponse") == {"LockResponse": "Idle", "CommandCounterEcho": 0}


def test_an_authentic_command_moves_every_lock_and_says_so(car: Stepped) -> None:
    began = car.now
    car.unlock()
    assert car.locks_shown() == {"Moving"}
    car.advance(1.0)
    assert set(car.vehicle.locks.values()) == {UNLOCKED}
    assert car.locks_shown() == {"Unlocked"}
    assert car.last("DoorLockStatus")["LastLockSource"] == "RemoteCommand"
    assert responses(car, began) == [("Busy", 1), ("Done", 1)]
    assert [m.source for m in car.vehicle.lock_history] == [LockSource.REMOTE_COMMAND] * 5
    assert all(0.2 <= m.at_s - began <= 0.4 for m in car.vehicle.lock_history)
    assert [r.verdict for r in car.vehicle.command_history] == [Verdict.ACCEPTED]
    assert car.last("AlarmStatus") == {"AlarmState": "Off"}
    assert car.last("UsageMode") == {"VehicleUsageMode": "Inactive"}


def test_done_comes_only_when_the_last_motor_stands(car: Stepped) -> None:
    car.vehicle.body.motors[Door.TAILGATE].travel_s = 5.0
    car.unlock()
    car.advance(4.9)
    assert car.last("CentralLockResponse")["LockResponse"] == "Busy"
    car.advance(0.2)
    assert car.last("CentralLockResponse")["LockResponse"] == "Done"


def test_a_command_for_where_the_locks_are_is_done_at_once(car: Stepped) -> None:
    car.lock()
    assert car.last("CentralLockResponse") == {"LockResponse": "Done", "CommandCounterEcho": 1}
    assert car.vehicle.lock_history == []


def test_changes_are_sent_at_once_not_with_the_next_cycle(car: Stepped) -> None:
    before = len(car.all("DoorLockStatus"))
    car.unlock()
    assert len(car.all("DoorLockStatus")) == before + 1


def test_a_repeated_frame_moves_nothing_and_is_called_out(car: Stepped) -> None:
    frame = car.command(UNLOCKED)
    car.put(frame)
    car.advance(1.0)
    car.person.lock(now=car.now)
    car.advance(1.0)
    history = list(car.vehicle.lock_history)
    resyncs = len(car.all("SecocFreshness"))
    car.put(frame)
    assert car.last("CentralLockResponse") == {
        "LockResponse": "AuthenticationFailed",
        "CommandCounterEcho": 1,
    }
    assert len(car.all("SecocFreshness")) == resyncs + 1
    assert car.last("SecocFreshness")["LastFreshness"] == 1
    car.advance(1.0)
    assert car.vehicle.lock_history == history


def test_a_forged_command_during_a_real_one_does_not_take_its_answer(car: Stepped) -> None:
    began = car.now
    car.unlock()
    car.put(Frame(arbitration_id=0x0A0, data=bytes([1, 99, 0, 0, 9, 9, 9, 9])))
    car.advance(1.0)
    assert responses(car, began) == [("Busy", 1), ("AuthenticationFailed", 99), ("Done", 1)]


def test_lock_out_ignores_even_the_right_key_and_ends(car: Stepped) -> None:
    for _ in range(3):
        car.put(car.command(UNLOCKED, key=bytes(16)))
    car.unlock()
    car.advance(1.0)
    assert [r.verdict for r in car.vehicle.command_history] == [
        *[Verdict.AUTHENTICATION_FAILED] * 3,
        Verdict.LOCKED_OUT,
    ]
    assert car.vehicle.lock_history == []
    car.advance(60.0)
    car.person.press_plate(now=car.now)  # the bus had fallen asleep
    car.unlock()
    car.advance(1.0)
    assert set(car.vehicle.locks.values()) == {UNLOCKED}


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(3)], ids=["empty", "short", "very short"])
def test_a_command_of_the_wrong_length_is_malformed(car: Stepped, data: bytes) -> None:
    car.put(Frame(arbitration_id=0x0A0, data=data))
    assert car.vehicle.command_history[-1].verdict is Verdict.MALFORMED


def test_an_authentic_command_without_sense_is_refused(car: Stepped) -> None:
    for number, payload in enumerate((bytes([3, 1, 0, 0]), bytes([1, 2, 0, 1])), start=1):
        data = secured(bytes(range(16)), data_id=0xA0, payload=payload, freshness=number)
        car.put(Frame(arbitration_id=0x0A0, data=data))
        assert car.last("CentralLockResponse") == {
            "LockResponse": "Refused",
            "CommandCounterEcho": number,
        }
    assert car.vehicle.lock_history == []


def test_unlock_is_refused_while_driving_and_lock_is_not(car: Stepped) -> None:
    car.person.drive(50, now=car.now)
    car.advance(3.0)
    assert car.last("UsageMode") == {"VehicleUsageMode": "Driving"}
    car.unlock()
    assert car.last("CentralLockResponse")["LockResponse"] == "Refused"
    car.lock()
    car.advance(1.0)
    assert set(car.vehicle.locks.values()) == {LOCKED}


# ---------------------------------------------------------------------------- misbehaviour


def misbehave(behaviour: Behaviour) -> Stepped:
    car = Stepped()
    car.advance(0.5)
    car.vehicle.bcm.locking.set_behaviour(behaviour)
    return car


def test_refuse() -> None:
    car = misbehave(Behaviour.REFUSE)
    car.unlock()
    car.advance(1.0)
    assert responses(car, 1000.4)[-1] == ("Refused", 1)
    assert car.vehicle.lock_history == []
    assert car.vehicle.command_history[-1].verdict is Verdict.REFUSED


def test_late_says_and_does_nothing_for_three_seconds() -> None:
    car = misbehave(Behaviour.LATE)
    car.unlock()
    car.advance(2.9)
    assert responses(car, 1000.0) == [("Idle", 0)]
    assert car.locks_shown() == {"Locked"}
    car.advance(1.0)
    assert responses(car, 1000.0) == [("Idle", 0), ("Busy", 1), ("Done", 1)]
    assert min(m.at_s for m in car.vehicle.lock_history) > 1003.5


def test_never_neither_answers_nor_moves() -> None:
    car = misbehave(Behaviour.NEVER)
    car.unlock()
    car.advance(8.0)
    assert responses(car, 1000.0) == [("Idle", 0)]
    assert car.vehicle.lock_history == []
    assert car.vehicle.command_history[-1].verdict is Verdict.ACCEPTED


def test_silent_moves_without_an_answer() -> None:
    car = misbehave(Behaviour.SILENT)
    car.unlock()
    car.advance(1.0)
    assert responses(car, 1000.0) == [("Idle", 0)]
    assert car.locks_shown() == {"Unlocked"}


def test_boast_answers_done_but_its_status_tells_the_truth() -> None:
    car = misbehave(Behaviour.BOAST)
    car.unlock()
    car.advance(1.0)
    assert responses(car, 1000.4)[-1] == ("Done", 1)
    assert car.locks_shown() == {"Locked"}
    assert set(car.vehicle.locks.values()) == {LOCKED}


def test_lie_claims_in_the_status_too_until_somebody_really_moves() -> None:
    car = misbehave(Behaviour.LIE)
    car.unlock()
    car.advance(1.0)
    assert car.locks_shown() == {"Unlocked"}
    assert set(car.vehicle.locks.values()) == {LOCKED}
    assert car.vehicle.lock_history == []
    car.person.lock(now=car.now)
    car.advance(1.0)
    assert car.locks_shown() == {"Locked"}


def test_a_jammed_lock_stays_and_the_answer_is_not_done(car: Stepped) -> None:
    car.vehicle.body.motors[Door.REAR_RIGHT].jam = Jam.HOLDS
    car.unlock()
    car.advance(1.0)
    assert car.vehicle.locks[Door.REAR_RIGHT] is LOCKED
    assert car.last("DoorLockStatus")["LockRearRight"] == "Locked"
    assert list(car.vehicle.locks.values()).count(UNLOCKED) == 4
    assert car.last("CentralLockResponse")["LockResponse"] == "Invalid"
    assert Door.REAR_RIGHT not in {m.lock for m in car.vehicle.lock_history}


def test_a_bolt_stuck_halfway_shows_moving_and_moves_on_when_freed(car: Stepped) -> None:
    motor = car.vehicle.body.motors[Door.FRONT_LEFT]
    motor.jam = Jam.HALFWAY
    car.unlock()
    car.advance(20.0)
    assert car.vehicle.locks[Door.FRONT_LEFT] is MOVING
    motor.jam = None
    car.person.unlock(now=car.now)
    car.advance(1.0)
    assert car.vehicle.locks[Door.FRONT_LEFT] is UNLOCKED
    assert car.vehicle.lock_history[-1].lock is Door.FRONT_LEFT


def test_the_vehicle_locks_again_by_itself_unless_a_door_is_opened(car: Stepped) -> None:
    car.vehicle.bcm.relock_after_s = 2.0
    car.unlock()
    car.advance(3.0)
    assert set(car.vehicle.locks.values()) == {LOCKED}
    assert car.vehicle.lock_history[-1].source is LockSource.AUTOMATIC
    assert car.last("DoorLockStatus")["LastLockSource"] == "Automatic"
    car.unlock()
    car.advance(1.0)
    car.person.open_door(Door.REAR_LEFT, now=car.now)
    car.advance(5.0)
    assert set(car.vehicle.locks.values()) == {UNLOCKED}


def test_the_key_ends_the_vehicles_own_wish_to_lock(car: Stepped) -> None:
    car.vehicle.bcm.relock_after_s = 2.0
    car.unlock()
    car.advance(1.0)
    car.person.unlock(now=car.now)
    car.advance(5.0)
    assert set(car.vehicle.locks.values()) == {UNLOCKED}


# -------------------------------------------------------------------------- people and alarm


def test_key_unlocks_and_switches_the_alarm_off(car: Stepped) -> None:
    car.person.unlock(now=car.now)
    car.advance(1.0)
    assert car.last("DoorLockStatus")["LastLockSource"] == "Key"
    assert car.last("AlarmStatus") == {"AlarmState": "Off"}
    car.person.open_door(Door.FRONT_LEFT, now=car.now)
    car.advance(0.1)
    assert car.last("DoorStatus")["DoorFrontLeft"] == "Open"
    car.advance(5.0)
    assert car.vehicle.bcm.alarm.state is AlarmState.OFF


def test_a_locked_door_does_not_open(car: Stepped) -> None:
    with pytest.raises(NotPossible, match="front-left is locked"):
        car.person.open_door(Door.FRONT_LEFT, now=car.now)
    assert not any(car.vehicle.doors.values())


def test_a_break_in_sounds_after_the_delay_and_falls_silent(car: Stepped) -> None:
    car.person.open_door(Door.FRONT_LEFT, by_force=True, now=car.now)
    car.advance(1.9)
    assert car.last("AlarmStatus") == {"AlarmState": "Armed"}
    car.advance(0.2)
    assert car.last("AlarmStatus") == {"AlarmState": "Triggered"}
    car.advance(30.0)
    assert car.last("AlarmStatus") == {"AlarmState": "Armed"}


def test_the_key_within_the_delay_prevents_the_alarm(car: Stepped) -> None:
    car.person.open_door(Door.FRONT_LEFT, by_force=True, now=car.now)
    car.advance(1.0)
    car.person.unlock(now=car.now)
    car.advance(5.0)
    assert "Triggered" not in {signals["AlarmState"] for signals in car.all("AlarmStatus")}


def test_remote_lock_of_an_empty_shut_car_arms_the_alarm_and_leaves_it(car: Stepped) -> None:
    car.unlock()
    car.advance(1.0)
    assert car.vehicle.bcm.usage_mode is UsageMode.INACTIVE
    car.lock()
    car.advance(1.0)
    assert car.last("AlarmStatus") == {"AlarmState": "Armed"}
    assert car.last("UsageMode") == {"VehicleUsageMode": "Abandoned"}


def test_the_plate_is_shown_and_opens_an_unlocked_tailgate_only(car: Stepped) -> None:
    car.person.press_plate(0.3, now=car.now)
    car.advance(0.1)
    assert car.last("TailgatePlate") == {"PlateState": "Pressed"}
    assert not car.vehicle.doors[Door.TAILGATE]
    car.advance(0.4)
    assert car.last("TailgatePlate") == {"PlateState": "Released"}
    car.unlock()
    car.advance(1.0)
    car.person.press_plate(now=car.now)
    assert car.vehicle.doors[Door.TAILGATE]


def test_inside_button_needs_somebody_inside(car: Stepped) -> None:
    with pytest.raises(NotPossible, match="nobody is inside"):
        car.person.unlock(LockSource.INSIDE_BUTTON, now=car.now)
    car.person.enter(now=car.now)
    car.advance(1.0)
    car.person.lock(LockSource.INSIDE_BUTTON, now=car.now)
    car.advance(1.0)
    assert car.last("DoorLockStatus")["LastLockSource"] == "InsideButton"
    assert car.vehicle.bcm.usage_mode is UsageMode.INACTIVE
    assert car.vehicle.bcm.alarm.state is AlarmState.OFF
