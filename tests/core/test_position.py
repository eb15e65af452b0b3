"""Positions behind `Core.handle`: snapshot and tracking, stop times, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from tcu_agent.core import records, vss
from tcu_agent.core.effects import Effect, ErasePositions, Persist, SealPosition
from tcu_agent.core.events import EffectFailed, Value
from tcu_agent.core.position_record import PositionRecord
from tcu_agent.protocol.messages import Fix, PositionParameters
from tcu_agent.protocol.vocabulary import (
    EventKind,
    FixQuality,
    Outcome,
    PositionKind,
    Reason,
    Service,
)
from tests.core.driver import Driver, Failure, PowerCut, settings
from tests.protocol import signing

CASE = signing.id16("incident or case")
HERE: dict[str, Value] = {
    vss.LATITUDE: 57.7089,
    vss.LONGITUDE: 11.9746,
    vss.HEADING: 91.26,
    vss.ACCURACY_M: 3.5,
    vss.FIX_TYPE: "THREE_D",
}
NOWHERE: dict[str, Value] = dict.fromkeys(HERE, None)


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


# ---------------------------------------------------------------- snapshot


def test_one_fix_for_one_grant(located: Driver) -> None:
    snapshot(located)
    (position,) = located.positions
    assert position.seq == 1
    assert position.recipient == signing.THEFT_DESK.hpke.public_key().public_bytes_raw()
    assert position.authorisation.case_id == CASE
    assert position.fix == Fix(
        quality=FixQuality.FIX_3D,
        wall_time_ms=round((located.wall or 0) * 1000),
        latitude_e7=577089000,
        longitude_e7=119746000,
        age_ms=0,
        accuracy_cm=350,
        heading_ddeg=913,
        speed_ckmh=0,
    )
    assert verdict(located) == (Outcome.EXECUTED, Reason.NONE)
    located.pass_time(600)
    assert len(located.positions) == 1


def test_the_intent_is_durable_before_the_fix_and_gone_with_the_outcome(located: Driver) -> None:
    snapshot(located)
    puts = located.persisted(records.POSITION)
    assert [each is None for each in puts] == [False, True]
    order = [
        effect
        for _, effect in located.done
        if is_seal(effect) or (isinstance(effect, Persist) and records.POSITION in effect.puts)
    ]
    assert [is_seal(each) for each in order] == [False, True, False]


def test_it_works_while_driving(located: Driver) -> None:
    located.change({vss.SPEED_KMH: 83.25, vss.USAGE_MODE: "driving"})
    snapshot(located)
    assert fixes(located)[0].speed_ckmh == 8325


def test_it_waits_for_a_fix(car: Driver) -> None:
    snapshot(car)
    assert len(car.wakes) == 1
    car.pass_time(12)
    assert car.positions == []
    car.change(dict(HERE))
    assert fixes(car)[0].quality is FixQuality.FIX_3D
    assert verdict(car) == (Outcome.EXECUTED, Reason.NONE)


def test_an_old_place_is_said_to_be_old(located: Driver) -> None:
    located.change(dict(NOWHERE))
    located.pass_time(40)
    snapshot(located)
    located.pass_time(20)
    (fix,) = fixes(located)
    assert fix.quality is FixQuality.LAST_KNOWN
    assert fix.age_ms == 60_000
    assert fix.latitude_e7 == 577089000
    assert verdict(located) == (Outcome.EXECUTED, Reason.NONE)


def test_a_place_from_before_the_sleep_is_old(located: Driver) -> None:
    located.fall_asleep()
    located.pass_time(100)
    snapshot(located)
    assert len(located.wakes) == 1
    located.pass_time(20)
    assert fixes(located)[0].age_ms == 120_000


def test_no_place_at_all_is_sealed_and_has_failed(car: Driver) -> None:
    snapshot(car)
    car.pass_time(20)
    (fix,) = fixes(car)
    assert fix.quality is FixQuality.NONE
    assert fix.latitude_e7 is None
    assert verdict(car) == (Outcome.FAILED, Reason.NO_FIX)


def test_waiting_ends_with_the_grants_own_time(car: Driver) -> None:
    request = car.ask(Service.POSITION)
    car.receive("grant", car.grant_for(request, max_age_s=5))
    car.pass_time(5)
    assert verdict(car) == (Outcome.FAILED, Reason.NO_FIX)


def test_a_suspend_ends_the_waiting(located: Driver) -> None:
    request = located.ask(Service.POSITION)
    located.stalls[Persist] = 31.0
    located.receive("grant", located.grant_for(request))
    assert verdict(located) == (Outcome.REFUSED, Reason.CHALLENGE_EXPIRED)
    assert located.positions == []


def test_a_fix_that_cannot_be_sealed_has_failed(located: Driver) -> None:
    located.failures.append(Failure(is_seal))
    snapshot(located)
    assert verdict(located) == (Outcome.FAILED, Reason.SEAL_FAILED)


def test_a_fix_that_is_not_protected_is_not_sealed(located: Driver) -> None:
    request = located.ask(Service.POSITION)
    located.failures.append(Failure(lambda e: isinstance(e, Persist) and records.CASES in e.puts))
    located.receive("grant", located.grant_for(request))
    assert located.positions == []
    assert verdict(located) == (Outcome.FAILED, Reason.SEAL_FAILED)


@pytest.mark.parametrize("kind", [snapshot, track])
def test_an_acceptance_that_is_not_durable(located: Driver, kind: Any) -> None:
    located.failures.append(
        Failure(lambda e: isinstance(e, Persist) and records.POSITION in e.puts)
    )
    kind(located)
    assert located.positions == []
    assert verdict(located) == (Outcome.REFUSED, Reason.STATE_CORRUPT)


def test_nobody_to_seal_to(located: Driver) -> None:
    desk = signing.THEFT_DESK
    other = signing.Party("theft desk 2", role=desk.role)
    request = located.ask(Service.POSITION)
    grant = located.grant_for(request)
    located.core._parts.knowledge.keyring = None
    located.core._parts.position.accept(
        located.core._begin(located.now, located.wall, None), authorisation(located, grant)
    )
    assert other.kid != desk.kid
    located.pass_time(1)
    assert located.positions == []
    assert "no-recipient" in located.notes
    assert verdict(located) == (Outcome.FAILED, Reason.SEAL_FAILED)


def authorisation(car: Driver, grant: bytes) -> Any:
    """Return what the verifier makes of a grant."""
    parts = car.core._parts
    return parts.verifier.verify_grant(
        grant,
        keyring=signing.keyring(),
        account=parts.knowledge.account,
        challenges=parts.challenges,
        answered=(),
        now=car.now,
    )


def test_a_crash_is_unknown(car: Driver) -> None:
    snapshot(car)
    car.restart()
    assert verdict(car) == (Outcome.UNKNOWN, Reason.RESTARTED)
    car.change(dict(HERE))
    car.pass_time(30)
    assert car.positions == []


def test_a_new_pin_stops_what_has_not_begun(car: Driver) -> None:
    snapshot(car)
    car.tell_account(version=8, pin_generation=4)
    assert verdict(car) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)


def test_a_case_that_ends_while_waiting(car: Driver) -> None:
    snapshot(car)
    car.receive("case-end", signing.sign(car.centre.case_end()))
    assert verdict(car) == (Outcome.CANCELLED, Reason.CASE_ENDED)
    assert [each.case_id for each in car.erased] == [CASE]


def test_a_second_case_is_busy(located: Driver) -> None:
    track(located)
    track(located)
    assert verdict(located) == (Outcome.REFUSED, Reason.BUSY)


# ---------------------------------------------------------------- tracking


def test_one_fix_each_interval_until_the_stop_time(located: Driver) -> None:
    began = located.now
    grant = track(located)
    (event,) = located.events(EventKind.TRACKING_STARTED)
    assert event.incident_id == CASE
    assert event.request_id == located.challenge.common.request_id
    located.receive("grant", grant)
    assert located.refusals == [Reason.BUSY]
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
    located.receive("position-ack", signing.sign(located.centre.position_ack(2)))
    assert [(each.case_id, each.up_to_seq) for each in located.erased] == [(CASE, 2)]


@pytest.mark.parametrize(
    ("seq", "case_id", "reason"),
    [(4, CASE, Reason.BEYOND_SENT), (1, bytes(16), Reason.CASE_MISMATCH)],
)
def test_a_foreign_acknowledgement_erases_nothing(
    located: Driver, seq: int, case_id: bytes, reason: Reason
) -> None:
    track(located)
    located.pass_time(130)
    located.receive("position-ack", signing.sign(located.centre.position_ack(seq, case_id)))
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


# ---------------------------------------------------------------- restarts


def test_tracking_goes_on_within_a_boot_session(located: Driver) -> None:
    track(located)
    located.pass_time(100)
    located.restart(off_s=100)
    located.change(dict(HERE))
    located.pass_time(1000)
    assert [position.seq for position in located.positions] == list(range(1, 10))
    assert max(at for at, effect in located.done if is_seal(effect)) < 1600
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_a_stop_time_that_passed_while_off(located: Driver) -> None:
    track(located)
    located.restart(off_s=600)
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)
    assert len(located.positions) == 1


def test_after_a_power_cut_the_wall_clock_counts(located: Driver) -> None:
    track(located)
    located.pass_time(120)
    located.restart(new_session=True, off_s=200)
    began = located.now
    located.pass_time(1000)
    last = max(at for at, effect in located.done if is_seal(effect))
    assert last < began + 480 - 200
    (ended,) = located.events(EventKind.TRACKING_ENDED)
    assert ended.reason is Reason.STOP_TIME


def test_after_a_power_cut_never_longer_than_was_left(located: Driver) -> None:
    track(located)
    located.pass_time(130)
    assert located.wall_offset is not None
    located.wall_offset -= 9.9  # the clock was set back, but not before the last fix
    located.restart(new_session=True, off_s=0.0)
    began = located.now
    located.pass_time(1000)
    last = max(at for at, effect in located.done if is_seal(effect))
    assert last < began + 480


@pytest.mark.parametrize("offset", [None, 0.0])
def test_when_nothing_is_proven_it_stops(located: Driver, offset: float | None) -> None:
    track(located)
    located.wall_offset = offset
    located.restart(new_session=True)
    assert verdict(located) == (Outcome.CANCELLED, Reason.TIME_NOT_PROVEN)
    located.pass_time(600)
    assert len(located.positions) == 1


def test_without_a_wall_clock_before_the_power_cut_it_stops() -> None:
    car = Driver(wall_offset=None)
    car.provision()
    car.change(dict(HERE))
    track(car)
    car.wall_offset = 1.8e9
    car.restart(new_session=True)
    assert verdict(car) == (Outcome.CANCELLED, Reason.TIME_NOT_PROVEN)


def test_a_second_power_cut_does_not_give_time_back(located: Driver) -> None:
    track(located)
    located.restart(new_session=True, off_s=300)
    located.restart(new_session=True, off_s=200)
    began = located.now
    located.pass_time(1000)
    assert all(at < began + 100 for at, effect in located.done if is_seal(effect))
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_corrupt_state_stops_it(located: Driver) -> None:
    track(located)
    located.stored[records.MARKS] = b"\xff"
    located.restart()
    assert verdict(located) == (Outcome.CANCELLED, Reason.STATE_CORRUPT)
    located.pass_time(600)
    assert len(located.positions) == 1


def test_an_erasure_that_was_cut_off_is_done_again(located: Driver) -> None:
    snapshot(located)
    located.cut_at = located.effects_begun + 1
    with pytest.raises(PowerCut):
        located.receive("case-end", signing.sign(located.centre.case_end()))
    assert located.erased == []
    located.restart()
    assert [each.case_id for each in located.erased] == [CASE]
    located.restart()
    assert len(located.erased) == 1


def test_an_erasure_that_failed_is_tried_again(located: Driver) -> None:
    snapshot(located)
    located.failures.append(Failure(lambda e: isinstance(e, ErasePositions), times=2))
    located.receive("case-end", signing.sign(located.centre.case_end()))
    located.pass_time(9.9)
    assert located.erased == []
    located.pass_time(30)
    assert [each.case_id for each in located.erased] == [CASE]


def test_an_acknowledged_erasure_that_failed_concerns_no_case(located: Driver) -> None:
    snapshot(located)
    located.failures.append(Failure(lambda e: isinstance(e, ErasePositions)))
    located.receive("position-ack", signing.sign(located.centre.position_ack(1)))
    assert located.core.next_deadline() is None
    assert CASE in located.core._parts.position.open_cases
    located.put(EffectFailed(ErasePositions(CASE), "late", may_have_happened=False))
    assert located.core.next_deadline() is None


def test_the_oldest_of_many_cases_is_erased(located: Driver) -> None:
    cases = [signing.id16(f"case {number}") for number in range(17)]
    for case in cases:
        grant = position_grant(located, case)
        located.receive("grant", grant)
    assert len(located.positions) == 17
    assert [each.case_id for each in located.erased] == [cases[0]]
    assert set(located.core._parts.position.open_cases) == set(cases[1:])


def position_grant(car: Driver, case: bytes) -> bytes:
    request = car.ask(Service.POSITION, incident_id=case)
    approval = signing.sign(car.centre.approval(car.challenge, case_id=case))
    return car.grant_for(request, approval=approval)


@pytest.mark.parametrize(
    ("interval_s", "duration_s"),
    [(9, 100), (10, 101)],
)
def test_limits_of_this_car(interval_s: int, duration_s: int) -> None:
    car = Driver(settings=settings(tracking_interval_min_s=10, tracking_duration_max_s=100))
    car.provision()
    parameters = PositionParameters(PositionKind.TRACKING, interval_s, duration_s)
    car.ask(Service.POSITION, parameters=parameters)
    assert car.refusals == [Reason.WINDOW_OUT_OF_RANGE]
    car.ask(Service.POSITION, parameters=PositionParameters(PositionKind.TRACKING, 10, 100))
    assert len(car.refusals) == 1
