"""Automatic re-lock behind `Core.handle`: born of an executed unlock, settled once."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Note, Persist, TransmitLock
from tcu_agent.core.events import Value
from tcu_agent.core.unlock.relock_record import RelockRecord
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason, Relock, Service
from tests.core.driver import FRESH_EVERY_S, Driver, Failure, settings

SETTLED = (EventKind.RELOCKED, EventKind.RELOCK_FAILED, EventKind.RELOCK_CANCELLED)


def unlock(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    assert car.results[-1].outcome is Outcome.EXECUTED


@pytest.fixture
def unlocked(car: Driver) -> Driver:
    unlock(car)
    return car


def settled(car: Driver) -> Event:
    (event,) = [each for kind in SETTLED for each in car.events(kind)]
    assert records.RELOCK not in car.stored
    return event


def test_nobody_opens_a_door_and_the_car_locks_again(unlocked: Driver) -> None:
    unlocked.pass_time(119.9)
    assert unlocked.lock_frames == []
    unlocked.pass_time(0.1)
    (frame,) = unlocked.lock_frames
    assert frame.authorisation.request_id == unlocked.results[0].common.request_id
    unlocked.pass_time(0.3)
    unlocked.locks(True)
    event = settled(unlocked)
    assert event.kind is EventKind.RELOCKED
    assert event.values == {vss.RELOCKED_BY: "agent"}
    assert event.request_id == unlocked.results[0].common.request_id
    unlocked.pass_time(300)
    assert len(unlocked.lock_frames) == 1


@pytest.mark.parametrize("door", vss.DOORS_OPEN)
def test_an_opened_door_cancels(unlocked: Driver, door: str) -> None:
    unlocked.pass_time(60)
    unlocked.change({door: True})
    assert (settled(unlocked).kind, settled(unlocked).reason) == (
        EventKind.RELOCK_CANCELLED,
        Reason.DOOR_OPENED,
    )
    unlocked.pass_time(120)
    assert unlocked.lock_frames == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({vss.USAGE_MODE: "convenience"}, Reason.KEY_USED),
        ({vss.USAGE_MODE: "active"}, Reason.KEY_USED),
        ({vss.USAGE_MODE: "driving"}, Reason.DRIVEN),
        ({vss.SPEED_KMH: 2.0}, Reason.DRIVEN),
    ],
)
def test_key_and_driving_cancel(unlocked: Driver, values: dict[str, Value], reason: Reason) -> None:
    unlocked.change(values)
    event = settled(unlocked)
    assert (event.kind, event.reason) == (EventKind.RELOCK_CANCELLED, reason)


def test_a_person_who_just_left_does_not_cancel(unlocked: Driver) -> None:
    unlocked.change({vss.USAGE_MODE: "inactive", vss.DOORS_OPEN[0]: False})
    unlocked.pass_time(120)
    assert len(unlocked.lock_frames) == 1


def test_a_car_that_locks_itself_settles_it(unlocked: Driver) -> None:
    unlocked.pass_time(30)
    unlocked.locks(True)
    assert settled(unlocked).values == {vss.RELOCKED_BY: "vehicle"}
    unlocked.pass_time(120)
    assert unlocked.lock_frames == []


def test_another_unlock_starts_the_time_again(unlocked: Driver) -> None:
    unlocked.pass_time(100)
    unlocked.allow(Service.UNLOCK)
    unlocked.pass_time(FRESH_EVERY_S)
    assert unlocked.results[-1].reason is Reason.ALREADY_UNLOCKED
    unlocked.pass_time(119)
    assert unlocked.lock_frames == []
    unlocked.pass_time(1)
    assert len(unlocked.lock_frames) == 1


@pytest.mark.parametrize("who", [Relock.NONE, Relock.VEHICLE])
def test_not_the_agents_affair(who: Relock) -> None:
    car = Driver(settings=settings(relock=who))
    car.provision()
    unlock(car)
    assert car.results[0].relock is who
    car.pass_time(200)
    assert car.lock_frames == []
    assert records.RELOCK not in car.stored


def test_a_lock_command_without_status_is_not_repeated(unlocked: Driver) -> None:
    unlocked.pass_time(120)
    unlocked.pass_time(5)
    event = settled(unlocked)
    assert (event.kind, event.reason) == (EventKind.RELOCK_FAILED, Reason.NO_STATUS)
    unlocked.pass_time(300)
    assert len(unlocked.lock_frames) == 1


def test_a_status_from_before_the_frame_settles_nothing(unlocked: Driver) -> None:
    unlocked.pass_time(120)
    sent_at = unlocked.now
    unlocked.pass_time(0.1, quiet=True)
    unlocked.change(dict.fromkeys(vss.DOOR_LOCKS, True), at=sent_at)
    assert unlocked.events(EventKind.RELOCKED) == []


def test_a_frame_that_never_left(unlocked: Driver) -> None:
    unlocked.failures.append(Failure(lambda effect: isinstance(effect, TransmitLock)))
    unlocked.pass_time(120)
    assert settled(unlocked).reason is Reason.TRANSMIT_FAILED


def test_a_frame_that_may_have_left_is_judged_by_the_locks(unlocked: Driver) -> None:
    unlocked.failures.append(
        Failure(lambda effect: isinstance(effect, TransmitLock), may_have_happened=True)
    )
    unlocked.pass_time(120)
    unlocked.pass_time(0.5)
    unlocked.locks(True)
    assert settled(unlocked).kind is EventKind.RELOCKED


def test_an_attempt_that_is_not_durable_is_not_made(unlocked: Driver) -> None:
    unlocked.pass_time(119.5)
    unlocked.failures.append(Failure(lambda effect: isinstance(effect, Persist)))
    unlocked.pass_time(0.6)
    assert unlocked.lock_frames == []
    assert settled(unlocked).reason is Reason.STATE_CORRUPT


def test_a_begin_that_is_not_durable_at_once_still_counts(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.failures.append(Failure(lambda effect: isinstance(effect, Persist)))
    car.locks(False)
    car.pass_time(121)
    assert len(car.lock_frames) == 1


def test_a_sleeping_car_is_woken_and_then_locked(unlocked: Driver) -> None:
    unlocked.fall_asleep()
    unlocked.pass_time(120)
    assert len(unlocked.wakes) == 1
    assert unlocked.lock_frames == []
    unlocked.wake_up()
    assert len(unlocked.lock_frames) == 1


@pytest.mark.parametrize("path", [vss.SPEED_KMH, vss.USAGE_MODE, vss.DOORS_OPEN[4]])
def test_what_is_not_known_leaves_the_car_as_it_is(unlocked: Driver, path: str) -> None:
    unlocked.change({path: None})
    unlocked.pass_time(130)
    assert unlocked.lock_frames == []
    event = settled(unlocked)
    assert (event.kind, event.reason) == (EventKind.RELOCK_FAILED, Reason.SIGNALS_UNKNOWN)
    (note,) = (each for each in unlocked.seen(Note) if each.word == "signals-unknown")
    assert note.fields == {"command": "lock", "paths": path}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({vss.DOORS_OPEN[1]: True}, Reason.DOOR_OPENED),
        ({vss.USAGE_MODE: "active"}, Reason.KEY_USED),
        ({vss.SPEED_KMH: 1.0}, Reason.DRIVEN),
    ],
)
def test_what_is_seen_when_the_time_is_up_counts(
    unlocked: Driver, values: dict[str, Value], reason: Reason
) -> None:
    unlocked.fall_asleep()
    unlocked.pass_time(121)
    unlocked.signals.update(values)
    unlocked.wake_up()
    event = settled(unlocked)
    assert (event.kind, event.reason) == (EventKind.RELOCK_CANCELLED, reason)


def test_a_car_found_locked_when_the_time_is_up(unlocked: Driver) -> None:
    unlocked.change(dict.fromkeys(vss.DOOR_LOCKS, None))
    unlocked.signals.update(dict.fromkeys(vss.DOOR_LOCKS, True))
    parts = unlocked.core._parts
    parts.relock._began_at = unlocked.now + 500  # as if nothing had been seen since
    unlocked.show()
    unlocked.pass_time(120.1)
    assert settled(unlocked).values == {vss.RELOCKED_BY: "vehicle"}
    assert unlocked.lock_frames == []


# ---------------------------------------------------------------- restarts


def test_counting_goes_on_within_a_boot_session(unlocked: Driver) -> None:
    unlocked.pass_time(50)
    unlocked.restart(off_s=30)
    unlocked.pass_time(39)
    assert unlocked.lock_frames == []
    unlocked.pass_time(1.5)
    assert len(unlocked.lock_frames) == 1


def test_time_that_cannot_be_proven_is_taken_for_passed(unlocked: Driver) -> None:
    unlocked.pass_time(5)
    unlocked.restart(new_session=True)
    assert len(unlocked.lock_frames) == 1


def test_an_open_door_after_a_power_cut_keeps_it_unlocked(unlocked: Driver) -> None:
    unlocked.signals[vss.DOORS_OPEN[2]] = True
    unlocked.restart(new_session=True)
    assert unlocked.lock_frames == []
    assert settled(unlocked).reason is Reason.DOOR_OPENED


def test_a_sent_command_is_not_sent_again_after_a_restart(unlocked: Driver) -> None:
    unlocked.pass_time(120)
    assert RelockRecord.from_bytes(unlocked.stored[records.RELOCK]).is_attempted
    unlocked.restart()
    assert len(unlocked.wakes) == 1
    unlocked.pass_time(1)
    unlocked.locks(True)
    assert settled(unlocked).kind is EventKind.RELOCKED
    assert len(unlocked.lock_frames) == 1


def test_a_sent_command_that_shows_nothing_after_a_restart_has_failed(unlocked: Driver) -> None:
    unlocked.pass_time(120)
    unlocked.restart()
    unlocked.pass_time(10)
    assert settled(unlocked).kind is EventKind.RELOCK_FAILED
    assert len(unlocked.lock_frames) == 1


# ---------------------------------------------------------------- one actuation at a time


def test_a_lock_waits_for_an_unlock_that_is_going_on(unlocked: Driver) -> None:
    unlocked.pass_time(119)
    unlocked.change({vss.DOOR_LOCKS[0]: True})
    unlocked.allow(Service.UNLOCK)
    assert len(unlocked.unlock_frames) == 2
    unlocked.pass_time(4)
    assert unlocked.lock_frames == []
    unlocked.change({vss.DOOR_LOCKS[0]: False})
    unlocked.pass_time(119)
    assert unlocked.lock_frames == []
    unlocked.pass_time(1)
    assert len(unlocked.lock_frames) == 1


def test_signals_lost_while_it_waits_for_an_unlock_do_not_keep_the_core_busy(
    unlocked: Driver,
) -> None:
    unlocked.pass_time(119)
    unlocked.change({vss.DOOR_LOCKS[0]: True})
    unlocked.allow(Service.UNLOCK)
    unlocked.change({vss.SPEED_KMH: None})
    unlocked.pass_time(4)  # the time to lock is up, the unlock still has no status
    unlocked.change({vss.DOOR_LOCKS[0]: None})
    while unlocked.core.snapshot()["unlock"] != "idle":
        unlocked.pass_time(1)
    unlocked.pass_time(30)  # the driver complains of a deadline that never gets done
    assert unlocked.lock_frames == []
    assert settled(unlocked).reason is Reason.SIGNALS_UNKNOWN


def test_an_unlock_waits_for_a_lock_that_is_going_on(unlocked: Driver) -> None:
    unlocked.pass_time(120)
    assert len(unlocked.lock_frames) == 1
    unlocked.allow(Service.UNLOCK)
    assert len(unlocked.unlock_frames) == 1
    unlocked.pass_time(0.5)
    unlocked.locks(True)
    unlocked.pass_time(0.5)
    assert len(unlocked.unlock_frames) == 2


def test_an_unlock_that_waits_too_long_for_a_lock_is_busy() -> None:
    car = Driver(settings=settings(fresh_timeout_s=2, status_timeout_s=5))
    car.provision()
    unlock(car)
    car.pass_time(120)
    car.allow(Service.UNLOCK)
    car.pass_time(2)
    assert (car.results[-1].outcome, car.results[-1].reason) == (Outcome.REFUSED, Reason.BUSY)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({vss.DOORS_OPEN[0]: True}, Reason.DOOR_OPENED),
        ({vss.USAGE_MODE: "active"}, Reason.KEY_USED),
        ({vss.SPEED_KMH: 5.0}, Reason.DRIVEN),
    ],
)
def test_somebody_comes_while_the_attempt_becomes_durable(
    unlocked: Driver, seen: dict[str, Value], reason: Reason
) -> None:
    unlocked.pass_time(119)
    unlocked.settles = False
    while unlocked.core.snapshot()["relock"] != "locking":
        unlocked.pass_time(0.5)
    unlocked.change(seen)
    assert unlocked.lock_frames == []
    assert settled(unlocked).kind is EventKind.RELOCK_CANCELLED
    assert settled(unlocked).reason is reason
