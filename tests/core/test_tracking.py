"""Tracking: one fix each interval, a hard stop time."""

from __future__ import annotations

from typing import Any

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Effect, Persist, SealPosition
from tcu_agent.core.events import Value
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.protocol.messages import Fix, PositionParameters
from tcu_agent.protocol.vocabulary import (
    EventKind,
    FixQuality,
    Outcome,
    PositionKind,
    Reason,
    Service,
)
from tests.core.driver import Driver, Failure
from tests.protocol import signing

CASE = signing.id16("incident or case")
HERE: dict[str, Value] = {
    vss.LATITUDE: 57.7089,
    vss.LONGITUDE: 11.9746,
    vss.HEADING: 91.26,
    vss.ACCURACY_M: 3.5,
    vss.FIX_TYPE: "THREE_D",
}


def snapshot(car: Driver, **changes: Any) -> bytes:
    return car.allow(Service.POSITION, parameters=signing.SNAPSHOT, **changes)


def track(car: Driver, interval_s: int = 60, duration_s: int = 600, **changes: Any) -> bytes:
    parameters = PositionParameters(PositionKind.TRACKING, interval_s, duration_s)
    return car.allow(Service.POSITION, parameters=parameters, **changes)


def fixes(car: Driver) -> list[Fix]:
    return [position.fix for position in car.positions]


def verdict(car: Driver) -> tuple[Outcome, Reason]:
    (result,) = car.results
    return result.outcome, result.reason


def is_seal(effect: Effect) -> bool:
    return isinstance(effect, SealPosition)


@pytest.fixture
def located(car: Driver) -> Driver:
    """A car whose receiver has a fix."""
    car.change(dict(HERE))
    return car


def test_one_fix_each_interval_until_the_stop_time(located: Driver) -> None:
    began = located.now
    grant = track(located)
    (event,) = located.events(EventKind.TRACKING_STARTED)
    assert event.incident_id == CASE
    assert event.request_id == located.challenge.common.request_id
    located.receive("grant", grant)
    assert located.refusals == []
    located.pass_time(900)
    times = [at - began for at, effect in located.done if is_seal(effect)]
    assert times == [60.0 * n for n in range(10)]
    assert [position.seq for position in located.positions] == list(range(1, 11))
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)
    (ended,) = located.events(EventKind.TRACKING_ENDED)
    assert (ended.reason, ended.incident_id) == (Reason.STOP_TIME, CASE)
    assert records.POSITION not in located.stored


def test_the_time_left_is_durable_before_each_fix(located: Driver) -> None:
    track(located)
    located.pass_time(200)
    last: list[PositionRecord] = []
    for at, effect in located.done:
        if isinstance(effect, Persist) and effect.puts.get(records.POSITION):
            last = [PositionRecord.from_bytes(effect.puts[records.POSITION] or b"")]
        if is_seal(effect):
            assert last[0].remaining_s == pytest.approx(1600 - at)
    assert len(located.positions) == 4


def test_intervals_that_were_missed_are_not_made_up_for(located: Driver) -> None:
    track(located)
    located.jump(200)
    located.refresh()
    assert len(located.positions) == 2
    located.pass_time(39)
    assert len(located.positions) == 2
    located.pass_time(1)
    assert len(located.positions) == 3


def test_no_position_when_the_stop_time_passed_unnoticed(located: Driver) -> None:
    track(located)
    located.jump(600)
    located.refresh()
    assert len(located.positions) == 1
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_a_sleeping_car_is_woken_for_each_fix(located: Driver) -> None:
    track(located)
    located.fall_asleep()
    located.pass_time(61)
    assert len(located.wakes) == 1
    assert len(located.positions) == 1
    located.wake_up()
    assert fixes(located)[1].quality is FixQuality.FIX_3D


def test_a_fix_that_does_not_come_is_not_waited_for_for_ever(located: Driver) -> None:
    track(located)
    located.fall_asleep()
    located.pass_time(69.9)
    assert len(located.positions) == 1
    located.pass_time(0.1)
    assert fixes(located)[1].quality is FixQuality.LAST_KNOWN
    located.pass_time(60)
    assert len(located.positions) == 3


def test_waiting_for_a_fix_stays_within_the_stop_time(located: Driver) -> None:
    track(located, duration_s=65)
    located.fall_asleep()
    located.pass_time(100)
    assert len(located.positions) == 1
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_the_end_of_the_case_stops_and_erases(located: Driver) -> None:
    track(located)
    located.pass_time(100)
    located.receive("case-end", signing.sign(located.centre.case_end()))
    assert verdict(located) == (Outcome.EXECUTED, Reason.CASE_ENDED)
    assert [each.case_id for each in located.erased] == [CASE]
    located.pass_time(600)
    assert len(located.positions) == 2


def test_the_end_of_another_case_changes_nothing(located: Driver) -> None:
    track(located)
    located.receive("case-end", signing.sign(located.centre.case_end(bytes(16))))
    assert located.refusals == [Reason.CASE_MISMATCH]
    located.pass_time(61)
    assert len(located.positions) == 2


def test_a_case_can_be_ended_and_erased_after_its_stop_time(located: Driver) -> None:
    track(located, duration_s=30)
    located.pass_time(40)
    assert located.erased == []
    located.receive("case-end", signing.sign(located.centre.case_end()))
    assert [each.case_id for each in located.erased] == [CASE]
    located.receive("case-end", signing.sign(located.centre.case_end()))
    assert located.refusals == [Reason.CASE_MISMATCH]


def test_the_end_of_the_subscription_stops(located: Driver) -> None:
    track(located)
    located.tell_account(
        version=8, ownership_generation=3, pin_generation=4, subscription_active=False
    )
    assert verdict(located) == (Outcome.CANCELLED, Reason.SUBSCRIPTION_ENDED)
    assert [each.case_id for each in located.erased] == [CASE]
    located.pass_time(600)
    assert len(located.positions) == 1


def test_a_change_of_owner_stops(located: Driver) -> None:
    track(located)
    located.tell_account(version=8, ownership_generation=3, pin_generation=4)
    assert verdict(located) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    assert located.events(EventKind.TRACKING_ENDED)[0].reason is Reason.GENERATION_CHANGED


def test_a_new_pin_does_not_stop(located: Driver) -> None:
    track(located)
    located.tell_account(version=8, pin_generation=4)
    located.pass_time(61)
    assert len(located.positions) == 2
    assert located.results == []


def test_acknowledged_positions_are_erased(located: Driver) -> None:
    track(located)
    located.pass_time(130)
    located.acknowledge_positions(2)
    assert [(each.case_id, each.up_to_seq) for each in located.erased] == [(CASE, 2)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 4}, Reason.BEYOND_SENT),
        ({"case_id": bytes(16)}, Reason.CASE_MISMATCH),
        ({"stream_id": bytes(8)}, Reason.UNKNOWN_STREAM),
    ],
)
def test_a_foreign_acknowledgement_erases_nothing(
    located: Driver, changes: dict[str, Any], reason: Reason
) -> None:
    track(located)
    located.pass_time(130)
    located.acknowledge_positions(**{"seq": 1, **changes})
    assert located.erased == []
    assert located.refusals == [reason]


def test_a_second_grant_for_a_case_goes_on_counting(located: Driver) -> None:
    snapshot(located)
    located.restart()
    located.change(dict(HERE))
    snapshot(located)
    assert [position.seq for position in located.positions] == [1, 2]


def test_tracking_that_never_could_seal_has_failed(located: Driver) -> None:
    located.failures.append(Failure(is_seal, times=100))
    track(located, duration_s=100)
    located.pass_time(100)
    assert verdict(located) == (Outcome.FAILED, Reason.SEAL_FAILED)


def test_one_failed_seal_does_not_stop_tracking(located: Driver) -> None:
    located.failures.append(Failure(is_seal))
    track(located, duration_s=100)
    located.pass_time(100)
    assert len(located.positions) == 1
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_tracking_ended_before_its_first_fix(car: Driver) -> None:
    track(car)
    car.receive("case-end", signing.sign(car.centre.case_end()))
    assert verdict(car) == (Outcome.EXECUTED, Reason.CASE_ENDED)


def test_a_fix_whose_time_left_is_not_durable_is_left_out(located: Driver) -> None:
    track(located)
    located.pass_time(50)
    located.failures.append(Failure(lambda effect: isinstance(effect, Persist)))
    located.pass_time(15)
    assert len(located.positions) == 1
    located.pass_time(60)
    assert len(located.positions) == 2


def test_a_fix_that_was_due_when_the_case_ended_is_not_sealed(located: Driver) -> None:
    """One step: time is up for the first fix, and the end of the case has arrived."""
    parameters = PositionParameters(PositionKind.TRACKING, 60, 600)
    grant = located.grant_for(located.ask(Service.POSITION, parameters=parameters))
    located.settles = False
    located.receive("grant", grant)
    located.receive("case-end", signing.sign(located.centre.case_end()))
    assert located.positions == []
    assert verdict(located) == (Outcome.EXECUTED, Reason.CASE_ENDED)


def test_what_was_approved_before_the_end_of_the_case_does_not_begin_after_it(
    located: Driver,
) -> None:
    """Without a tracking and without a stored position: the challenge alone makes the case known."""
    grant = located.grant_for(located.ask(Service.POSITION, parameters=signing.SNAPSHOT))
    unlock = located.grant_for(located.ask(Service.UNLOCK))
    located.receive("case-end", signing.sign(located.centre.case_end()))
    assert located.refusals == []
    located.receive("grant", grant)
    assert located.refusals == [Reason.CASE_MISMATCH]
    assert located.positions == []
    located.receive("grant", unlock)
    assert len(located.unlock_frames) == 1
