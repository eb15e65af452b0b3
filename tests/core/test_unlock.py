"""Remote unlock behind `Core.handle`: direct and armed, and every way in which it ends."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Note, Persist, TransmitUnlock
from tcu_agent.core.events import Value
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.protocol.messages import Result
from tcu_agent.protocol.vocabulary import (
    LockState,
    Outcome,
    Reason,
    Relock,
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


def only_result(car: Driver) -> Result:
    assert len(car.results) == 1
    return car.results[0]


def verdict(car: Driver) -> tuple[Outcome, Reason]:
    result = only_result(car)
    return result.outcome, result.reason


def test_doors_that_unlock_make_the_result(car: Driver) -> None:
    unlock(car)
    assert len(car.unlock_frames) == 1
    assert car.results == []
    car.pass_time(0.4)
    car.locks(False)
    result = only_result(car)
    assert (result.outcome, result.reason) == (Outcome.EXECUTED, Reason.NONE)
    assert result.locks == UNLOCKED
    assert result.relock is Relock.AGENT
    assert result.common == car.challenge.common


def test_the_intent_is_durable_before_the_frame_and_gone_with_the_outcome(car: Driver) -> None:
    unlock(car)
    kinds = [type(effect) for _, effect in car.done]
    intent = next(
        place
        for place, (_, effect) in enumerate(car.done)
        if isinstance(effect, Persist) and records.UNLOCK in effect.puts
    )
    assert intent < kinds.index(TransmitUnlock)
    assert UnlockIntent.from_bytes(car.stored[records.UNLOCK]).is_firing
    car.pass_time(0.1)
    car.locks(False)
    assert records.UNLOCK not in car.stored
    last = car.seen(Persist)[-1]
    assert last.puts[records.UNLOCK] is None
    assert any(key.startswith(records.OUTCOME_PREFIX) for key in last.puts)
    assert any(isinstance(message, Result) for message in last.append)


def test_some_doors_are_not_all_doors(car: Driver) -> None:
    unlock(car)
    car.pass_time(0.4)
    car.change(dict.fromkeys(vss.DOOR_LOCKS[:4], False))
    assert car.results == []
    car.pass_time(4.7)
    assert verdict(car) == (Outcome.FAILED, Reason.DOORS_STILL_LOCKED)
    assert only_result(car).locks == {**UNLOCKED, 4: LockState.LOCKED}
    assert only_result(car).relock is Relock.NONE


def test_no_status_after_the_frame_is_unknown(car: Driver) -> None:
    unlock(car)
    car.pass_time(5.0, quiet=True)
    assert verdict(car) == (Outcome.UNKNOWN, Reason.NO_STATUS)
    assert set(only_result(car).locks.values()) == {LockState.UNKNOWN}


def test_a_status_from_before_the_frame_decides_nothing(car: Driver) -> None:
    unlock(car)
    sent_at = car.now
    car.pass_time(0.2, quiet=True)
    car.change(dict.fromkeys(vss.DOOR_LOCKS, False), at=sent_at)
    assert car.results == []
    car.refresh()
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_a_status_that_went_stale_is_no_status(car: Driver) -> None:
    unlock(car)
    car.pass_time(0.5)
    car.pass_time(4.6, quiet=True)
    assert verdict(car) == (Outcome.UNKNOWN, Reason.NO_STATUS)
    assert set(only_result(car).locks.values()) == {LockState.UNKNOWN}


@pytest.mark.parametrize("answer", ["refused", "authentication-failed"])
def test_a_refusal_of_the_car_counts_once_the_locks_confirm_it(car: Driver, answer: str) -> None:
    unlock(car)
    car.pass_time(0.1, quiet=True)
    car.change({vss.CENTRAL_LOCKING_RESPONSE: answer})
    assert car.results == []
    car.pass_time(0.1, quiet=True)
    car.refresh()
    assert verdict(car) == (Outcome.REFUSED, Reason.VEHICLE_REFUSED)
    (note,) = (each for each in car.seen(Note) if each.word == "central-locking-refused")
    assert note.fields["answer"] == answer
    assert ("SecOC key" in str(note.fields["detail"])) is (answer == "authentication-failed")


def test_a_refusal_that_the_locks_contradict_is_not_believed(car: Driver) -> None:
    unlock(car)
    car.pass_time(0.1, quiet=True)
    car.change({vss.CENTRAL_LOCKING_RESPONSE: "refused"})
    car.pass_time(0.1, quiet=True)
    car.locks(False)
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_the_answer_to_an_earlier_command_does_not_count(car: Driver) -> None:
    unlock(car)
    sent_at = car.now
    car.change({vss.CENTRAL_LOCKING_RESPONSE: "refused"}, at=sent_at)
    car.pass_time(1.0)
    assert car.results == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({vss.SPEED_KMH: 3.5}, Reason.VEHICLE_MOVING),
        ({vss.SPEED_KMH: -0.5}, Reason.VEHICLE_MOVING),
        ({vss.USAGE_MODE: "driving"}, Reason.VEHICLE_MOVING),
        ({vss.USAGE_MODE: "active"}, Reason.USAGE_MODE),
        ({vss.USAGE_MODE: "convenience"}, Reason.USAGE_MODE),
    ],
)
def test_a_car_in_use_is_not_unlocked(
    car: Driver, values: dict[str, Value], reason: Reason
) -> None:
    car.change(values)
    unlock(car)
    assert verdict(car) == (Outcome.REFUSED, reason)
    assert car.unlock_frames == []


def unknown(car: Driver) -> Mapping[str, str | int]:
    """Return what the only note about unknown signals says."""
    (note,) = (each for each in car.seen(Note) if each.word == "signals-unknown")
    assert isinstance(note, Note)
    return note.fields


@pytest.mark.parametrize("path", [vss.SPEED_KMH, vss.USAGE_MODE, vss.DOOR_LOCKS[3]])
def test_what_is_not_known_is_waited_for_and_then_refused(car: Driver, path: str) -> None:
    car.change({path: None})
    unlock(car)
    assert len(car.wakes) == 1
    car.pass_time(9.9)
    assert car.results == []
    car.pass_time(0.1)
    assert verdict(car) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)
    assert car.unlock_frames == []
    assert unknown(car) == {"command": "unlock", "paths": path}


def test_what_was_not_seen_lately_is_not_known(car: Driver) -> None:
    car.pass_time(2.5, quiet=True)
    unlock(car)
    assert car.unlock_frames == []
    car.refresh()
    assert len(car.unlock_frames) == 1


def test_a_sleeping_car_is_woken_and_judged_awake(car: Driver) -> None:
    car.fall_asleep()
    unlock(car)
    assert len(car.wakes) == 1
    assert car.unlock_frames == []
    car.pass_time(3.0)
    car.wake_up()
    assert len(car.unlock_frames) == 1


def test_waiting_for_a_sleeping_car_ends_with_the_grants_own_time() -> None:
    car = Driver(settings=settings(fresh_timeout_s=60))
    car.provision()
    car.fall_asleep()
    request = car.ask(Service.UNLOCK)
    car.receive("grant", car.grant_for(request, max_age_s=7))
    car.pass_time(6.9)
    assert car.results == []
    car.pass_time(0.1)
    assert verdict(car) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)


def test_a_slow_disk_does_not_stretch_the_grants_time(car: Driver) -> None:
    request = car.ask(Service.UNLOCK)
    car.stalls[Persist] = 30.1
    car.receive("grant", car.grant_for(request))
    car.refresh()
    assert verdict(car) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)
    assert car.unlock_frames == []


def test_a_grant_whose_time_is_over_when_the_intent_is_durable_does_not_act() -> None:
    car = Driver(settings=settings(fresh_s=10.0))
    car.provision()
    request = car.ask(Service.UNLOCK)
    car.stalls[Persist] = 2.001
    car.receive("grant", car.grant_for(request, max_age_s=2))
    assert verdict(car) == (Outcome.REFUSED, Reason.CHALLENGE_EXPIRED)
    assert car.unlock_frames == []


def test_the_last_moment_of_a_grant_still_counts() -> None:
    car = Driver(settings=settings(fresh_s=10.0))
    car.provision()
    request = car.ask(Service.UNLOCK)
    car.stalls[Persist] = 2.0
    car.receive("grant", car.grant_for(request, max_age_s=2))
    assert len(car.unlock_frames) == 1


def test_a_frame_that_never_left_is_a_failure(car: Driver) -> None:
    car.failures.append(Failure(lambda effect: isinstance(effect, TransmitUnlock)))
    unlock(car)
    assert verdict(car) == (Outcome.FAILED, Reason.TRANSMIT_FAILED)


def test_a_frame_that_may_have_left_is_judged_by_the_locks(car: Driver) -> None:
    car.failures.append(Failure(lambda e: isinstance(e, TransmitUnlock), may_have_happened=True))
    unlock(car)
    assert car.results == []
    car.pass_time(0.2)
    car.locks(False)
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_a_frame_that_may_have_left_and_shows_nothing_is_unknown(car: Driver) -> None:
    car.failures.append(Failure(lambda e: isinstance(e, TransmitUnlock), may_have_happened=True))
    unlock(car)
    car.pass_time(5.0)
    assert verdict(car) == (Outcome.UNKNOWN, Reason.TRANSMIT_FAILED)


def test_a_repeated_grant_gets_nothing_and_then_the_stored_result(car: Driver) -> None:
    grant = unlock(car)
    car.receive("grant", grant)
    assert car.refusals == []
    assert "under-way" in car.notes
    car.pass_time(0.2)
    car.locks(False)
    car.receive("grant", grant)
    car.receive("grant", grant)
    assert car.sent(Result) == [car.results[0], car.results[0]]
    assert len(car.unlock_frames) == 1
    assert len(car.results) == 1


def test_a_repeated_grant_gets_the_stored_result_also_after_a_restart(car: Driver) -> None:
    grant = unlock(car)
    car.pass_time(0.2)
    car.locks(False)
    car.restart()
    car.receive("grant", grant)
    assert car.sent(Result) == [car.results[0]]
    assert len(car.unlock_frames) == 1


def test_a_second_grant_meanwhile_is_settled_as_busy(car: Driver) -> None:
    first, second = car.ask(Service.UNLOCK), None
    grant = car.grant_for(first)
    second = car.ask(Service.UNLOCK)
    late = car.grant_for(second)
    car.receive("grant", grant)
    car.receive("grant", late)
    assert verdict(car) == (Outcome.REFUSED, Reason.BUSY)
    assert only_result(car).common.request_id == second.request_id
    car.pass_time(0.2)
    car.locks(False)
    car.receive("grant", late)
    assert car.sent(Result) == [car.results[0]]
    assert len(car.unlock_frames) == 1
    assert car.results[1].outcome is Outcome.EXECUTED


def test_a_disk_that_does_not_take_the_intent_keeps_the_doors_locked(car: Driver) -> None:
    request = car.ask(Service.UNLOCK)
    car.failures.append(Failure(lambda effect: isinstance(effect, Persist)))
    car.receive("grant", car.grant_for(request))
    assert verdict(car) == (Outcome.REFUSED, Reason.STATE_CORRUPT)
    assert car.unlock_frames == []
    assert records.UNLOCK not in car.stored


def test_a_disk_that_does_not_take_the_outcome_delays_the_result(car: Driver) -> None:
    grant = unlock(car)
    car.failures.append(Failure(lambda effect: isinstance(effect, Persist), times=2))
    car.pass_time(0.2)
    car.locks(False)
    assert car.results == []
    car.receive("grant", grant)
    assert car.sent(Result) == []
    assert car.refusals == []
    car.pass_time(2.0)
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)
    assert records.UNLOCK not in car.stored
    car.receive("grant", grant)
    assert car.sent(Result) == car.results


def test_a_crash_while_firing_is_unknown_and_never_retried(car: Driver) -> None:
    grant = unlock(car)
    car.restart()
    assert verdict(car) == (Outcome.UNKNOWN, Reason.RESTARTED)
    car.locks(False)
    car.receive("grant", grant)
    car.restart()
    assert len(car.unlock_frames) == 1
    assert len(car.results) == 1
