"""Unlocking a car that is open, or whose locks move: no frame, and the bus kept awake for the look."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.effects import WakeBus
from tcu_agent.protocol.vocabulary import Outcome, Reason, Relock, Service
from tests.core.driver import FRESH_EVERY_S, Driver
from tests.core.test_unlock import UNLOCKED, only_result, unknown, unlock, verdict


def test_an_unlocked_car_gets_no_frame(car: Driver) -> None:
    car.locks(False)
    unlock(car)
    assert car.results == []
    car.pass_time(FRESH_EVERY_S)
    assert verdict(car) == (Outcome.EXECUTED, Reason.ALREADY_UNLOCKED)
    assert only_result(car).locks == UNLOCKED
    assert only_result(car).relock is Relock.AGENT
    assert car.unlock_frames == []


def begin_to_lock(car: Driver, *moving: str) -> None:
    """Let motors move: the last positions hold, and are not seen again."""
    car.locks(False)
    car.pass_time(1)
    for path in moving:
        del car.signals[path]
    car.pass_time(0.5)


@pytest.mark.parametrize("moving", [vss.DOOR_LOCKS, vss.DOOR_LOCKS[-1:]])
def test_a_car_that_is_just_being_locked_is_not_an_open_one(
    car: Driver, moving: tuple[str, ...]
) -> None:
    begin_to_lock(car, *moving)
    unlock(car)
    car.pass_time(0.5)
    assert (car.results, car.unlock_frames) == ([], [])
    car.change(dict.fromkeys(moving, True))
    assert len(car.unlock_frames) == 1
    car.pass_time(0.3)
    car.locks(False)
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_the_bus_of_an_open_car_is_kept_awake_for_the_look(car: Driver) -> None:
    car.locks(False)
    unlock(car)
    assert [each.reason for each in car.seen(WakeBus)] == ["unlock"]
    car.fall_asleep()
    car.pass_time(1)
    car.wake_up()
    car.pass_time(0.5)
    assert verdict(car) == (Outcome.EXECUTED, Reason.ALREADY_UNLOCKED)


def test_a_car_that_was_just_being_unlocked_is_an_open_one(car: Driver) -> None:
    begin_to_lock(car, *vss.DOOR_LOCKS)
    unlock(car)
    car.pass_time(0.2)
    car.locks(False)
    assert verdict(car) == (Outcome.EXECUTED, Reason.ALREADY_UNLOCKED)
    assert car.unlock_frames == []


def test_a_motor_that_moves_on_and_on_is_not_known(car: Driver) -> None:
    begin_to_lock(car, vss.DOOR_LOCKS[0])
    unlock(car)
    car.pass_time(20)
    assert verdict(car) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)
    assert car.unlock_frames == []
    assert unknown(car) == {"command": "unlock", "paths": vss.DOOR_LOCKS[0]}


def test_a_lock_that_moves_at_the_end_of_the_grants_time_is_named_though_it_was_seen_lately(
    car: Driver,
) -> None:
    grant = car.grant_for(car.ask(Service.UNLOCK))
    car.pass_time(27.6)
    begin_to_lock(car, vss.DOOR_LOCKS[0])
    car.receive("grant", grant)
    car.pass_time(1)
    assert verdict(car) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)
    assert unknown(car) == {"command": "unlock", "paths": vss.DOOR_LOCKS[0]}
