"""Remote unlock, armed: the tailgate plate within its window."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Persist
from tcu_agent.core.events import Value
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.protocol.messages import Result
from tcu_agent.protocol.vocabulary import (
    EventKind,
    LockState,
    Outcome,
    Reason,
    Service,
)
from tests.core.driver import Driver, Failure, settings
from tests.protocol import signing

UNLOCKED = dict.fromkeys(range(5), LockState.UNLOCKED)


def unlock(car: Driver) -> bytes:
    """Let the centre unlock the car directly; return the grant."""
    return car.allow(Service.UNLOCK)


def arm(car: Driver) -> bytes:
    """Let the centre arm the tailgate plate for 300 s; return the grant."""
    return car.allow(Service.UNLOCK, parameters=signing.ARMED)


def press_plate(car: Driver) -> None:
    car.change({vss.PLATE: True})


def only_result(car: Driver) -> Result:
    assert len(car.results) == 1
    return car.results[0]


def verdict(car: Driver) -> tuple[Outcome, Reason]:
    result = only_result(car)
    return result.outcome, result.reason


def test_the_plate_fires_what_was_armed(car: Driver) -> None:
    arm(car)
    assert len(car.events(EventKind.UNLOCK_ARMED)) == 1
    assert car.events(EventKind.UNLOCK_ARMED)[0].request_id == car.challenge.common.request_id
    assert not UnlockIntent.from_bytes(car.stored[records.UNLOCK]).is_firing
    car.pass_time(200)
    assert car.unlock_frames == []
    press_plate(car)
    assert len(car.unlock_frames) == 1
    assert UnlockIntent.from_bytes(car.stored[records.UNLOCK]).is_firing
    car.pass_time(0.3)
    car.locks(False)
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)
    assert car.events(EventKind.UNLOCK_DISARMED) == []


def test_a_window_that_passes_disarms(car: Driver) -> None:
    arm(car)
    car.pass_time(300)
    assert verdict(car) == (Outcome.CANCELLED, Reason.WINDOW_PASSED)
    (event,) = car.events(EventKind.UNLOCK_DISARMED)
    assert event.reason is Reason.WINDOW_PASSED
    press_plate(car)
    assert car.unlock_frames == []


def test_a_plate_pressed_when_the_window_has_passed_does_nothing(car: Driver) -> None:
    arm(car)
    car.jump(300)
    press_plate(car)
    assert verdict(car) == (Outcome.CANCELLED, Reason.WINDOW_PASSED)
    assert car.unlock_frames == []


def test_a_window_that_passes_while_the_disk_is_slow_disarms() -> None:
    car = Driver(settings=settings(fresh_s=10.0))
    car.provision()
    arm(car)
    car.pass_time(299)
    car.stalls[Persist] = 1.5
    press_plate(car)
    assert verdict(car) == (Outcome.CANCELLED, Reason.WINDOW_PASSED)
    assert len(car.events(EventKind.UNLOCK_DISARMED)) == 1
    assert car.unlock_frames == []


def test_a_plate_that_was_pressed_before_does_not_count(car: Driver) -> None:
    press_plate(car)
    arm(car)
    car.pass_time(1)
    assert car.unlock_frames == []
    car.change({vss.PLATE: False})
    press_plate(car)
    assert len(car.unlock_frames) == 1


def test_an_edge_from_before_arming_that_arrives_late_does_not_count(car: Driver) -> None:
    before = car.now
    car.pass_time(0.1)
    arm(car)
    car.change({vss.PLATE: True}, at=before)
    assert car.unlock_frames == []


def test_a_plate_that_was_not_known_must_be_seen_released_first(car: Driver) -> None:
    arm(car)
    car.change({vss.PLATE: None})
    press_plate(car)
    assert car.unlock_frames == []


def test_the_press_that_wakes_the_bus_counts(car: Driver) -> None:
    arm(car)
    car.fall_asleep()
    car.pass_time(20)
    car.signals[vss.PLATE] = True
    car.wake_up()
    assert len(car.unlock_frames) == 1


@pytest.mark.parametrize("values", [{vss.SPEED_KMH: 4.0}, {vss.USAGE_MODE: "driving"}])
def test_a_car_that_drives_off_is_disarmed(car: Driver, values: dict[str, Value]) -> None:
    arm(car)
    car.change(values)
    assert verdict(car) == (Outcome.CANCELLED, Reason.DRIVEN)
    assert len(car.events(EventKind.UNLOCK_DISARMED)) == 1


def test_a_plate_pressed_in_a_car_in_use_unlocks_nothing(car: Driver) -> None:
    arm(car)
    car.change({vss.USAGE_MODE: "active"})
    press_plate(car)
    assert verdict(car) == (Outcome.REFUSED, Reason.USAGE_MODE)
    assert car.unlock_frames == []


def test_a_crash_while_armed_moved_nothing(car: Driver) -> None:
    arm(car)
    car.restart()
    assert verdict(car) == (Outcome.CANCELLED, Reason.RESTARTED)
    assert car.events(EventKind.UNLOCK_DISARMED)[0].reason is Reason.RESTARTED
    press_plate(car)
    assert car.unlock_frames == []


def test_a_disk_that_does_not_take_the_arming(car: Driver) -> None:
    request = car.ask(Service.UNLOCK, parameters=signing.ARMED)
    car.failures.append(Failure(lambda effect: isinstance(effect, Persist)))
    car.receive("grant", car.grant_for(request))
    assert verdict(car) == (Outcome.REFUSED, Reason.STATE_CORRUPT)
    press_plate(car)
    assert car.unlock_frames == []


@pytest.mark.parametrize(
    "changes",
    [
        {"pin_generation": 4},
        {"ownership_generation": 3, "pin_generation": 4},
    ],
)
def test_a_new_generation_disarms(car: Driver, changes: dict[str, int]) -> None:
    arm(car)
    car.tell_account(version=8, **changes)
    assert verdict(car) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    press_plate(car)
    assert car.unlock_frames == []


def test_a_new_generation_stops_what_waits_for_signals(car: Driver) -> None:
    car.fall_asleep()
    unlock(car)
    car.tell_account(version=8, pin_generation=4)
    assert verdict(car) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    car.wake_up()
    assert car.unlock_frames == []


def test_a_new_generation_does_not_take_back_a_frame(car: Driver) -> None:
    unlock(car)
    car.tell_account(version=8, pin_generation=4)
    car.pass_time(0.2)
    car.locks(False)
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_outcomes_are_kept_up_to_their_number() -> None:
    car = Driver(settings=settings(outcomes_kept=2))
    car.provision()
    car.locks(False)
    grants = []
    for _ in range(3):
        grants.append(unlock(car))
        car.pass_time(0.1)
    assert len([key for key in car.stored if key.startswith(records.OUTCOME_PREFIX)]) == 2
    car.receive("grant", grants[0])
    assert car.refusals == [Reason.UNKNOWN_CHALLENGE]
    car.restart()
    car.receive("grant", grants[2])
    assert car.sent(Result) == [car.results[2]]


def test_only_mapped_locks_count() -> None:
    car = Driver(settings=settings(locks=vss.DOOR_LOCKS[:2]))
    car.provision()
    unlock(car)
    car.pass_time(0.1)
    car.change(dict.fromkeys(vss.DOOR_LOCKS[:2], False))
    assert only_result(car).locks == {0: LockState.UNLOCKED, 1: LockState.UNLOCKED}
    assert only_result(car).outcome is Outcome.EXECUTED
