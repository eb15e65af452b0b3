"""Positions through restarts and power cuts: never longer than can be proven."""

from __future__ import annotations

from typing import Any

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Effect, ErasePositions, Persist, SealPosition
from tcu_agent.core.events import EffectFailed, TimeProven, Value
from tcu_agent.core.position.least_wall import WALL_LOOK_S
from tcu_agent.core.position.position import PROOF_WAIT_S
from tcu_agent.protocol.messages import PositionParameters
from tcu_agent.protocol.vocabulary import (
    EventKind,
    Outcome,
    PositionKind,
    Reason,
    Service,
)
from tests.core.driver import WALL_AT_0, Driver, Failure, PowerCut, settings
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


def test_a_clock_that_went_back_proves_nothing(located: Driver) -> None:
    track(located)
    located.wall_offset = 0.0
    located.restart(new_session=True)
    assert verdict(located) == (Outcome.CANCELLED, Reason.TIME_NOT_PROVEN)
    located.pass_time(600)
    assert len(located.positions) == 1


def unplugged(car: Driver, *, off_s: float) -> float:
    """Track for 480 s, pull the plug for a while, and come back without the time; return when that was."""
    track(car, duration_s=480)
    car.wall_offset = None
    car.restart(new_session=True, off_s=off_s)
    car.change(dict(HERE))
    return car.now


def test_without_the_time_it_waits_and_then_stops(located: Driver) -> None:
    unplugged(located, off_s=1)
    located.pass_time(PROOF_WAIT_S - 1)
    assert located.results == []
    assert len(located.positions) == 1
    located.pass_time(1)
    assert verdict(located) == (Outcome.CANCELLED, Reason.TIME_NOT_PROVEN)
    located.pass_time(600)
    assert len(located.positions) == 1


def test_with_the_time_it_goes_on_and_the_waiting_counts(located: Driver) -> None:
    """Whoever pulls the plug for a second has not shaken it off, and has not won it any time either."""
    back_at = unplugged(located, off_s=100)
    located.pass_time(50)
    assert len(located.positions) == 1
    located.wall_offset = WALL_AT_0
    located.put(TimeProven())
    assert len(located.positions) == 2
    located.pass_time(1000)
    sealed = [at for at, effect in located.done if is_seal(effect)]
    assert back_at + 300 < max(sealed) < back_at + 380
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_the_time_that_says_it_is_over_ends_it(located: Driver) -> None:
    unplugged(located, off_s=480)
    located.wall_offset = WALL_AT_0
    located.put(TimeProven())
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)
    assert len(located.positions) == 1


def test_the_time_that_proves_nothing_ends_it(located: Driver) -> None:
    unplugged(located, off_s=1)
    located.wall_offset = 0.0
    located.put(TimeProven())
    assert verdict(located) == (Outcome.CANCELLED, Reason.TIME_NOT_PROVEN)


def test_a_power_cut_while_it_waits_gives_no_time(located: Driver) -> None:
    unplugged(located, off_s=100)
    located.pass_time(100)
    located.restart(new_session=True, off_s=100)
    located.change(dict(HERE))
    located.wall_offset = WALL_AT_0
    located.put(TimeProven())
    began = located.now
    located.pass_time(1000)
    assert max(at for at, effect in located.done if is_seal(effect)) < began + 180


def test_the_end_of_the_case_ends_the_waiting(located: Driver) -> None:
    unplugged(located, off_s=1)
    located.receive("case-end", signing.sign(located.centre.case_end()))
    assert verdict(located) == (Outcome.EXECUTED, Reason.CASE_ENDED)
    located.wall_offset = WALL_AT_0
    located.put(TimeProven())
    located.pass_time(600)
    assert len(located.positions) == 1


def test_the_time_changes_nothing_where_nobody_waits_for_it(located: Driver) -> None:
    located.put(TimeProven())
    track(located, duration_s=100)
    located.put(TimeProven())
    located.pass_time(120)
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def sealed_until(car: Driver) -> float:
    return max(at for at, effect in car.done if is_seal(effect))


AHEAD_S = [1.5, 5.0, 50.0, 3600.0, 3650 * 86_400.0]


@pytest.mark.parametrize("ahead_s", AHEAD_S)
@pytest.mark.parametrize("before_acceptance", [True, False])
def test_a_clock_that_once_ran_ahead_gives_no_time(
    located: Driver, ahead_s: float, before_acceptance: bool
) -> None:
    """It ran ahead when the rest was stored, was set right, and then the plug was pulled for 200 s."""
    if before_acceptance:
        located.wall_offset = WALL_AT_0 + ahead_s
    track(located)
    stop_at = located.now + 600
    located.wall_offset = WALL_AT_0 + ahead_s
    located.pass_time(90)
    located.wall_offset = WALL_AT_0
    located.pass_time(1)  # less than an interval: no fix is due, and it is stored all the same
    located.restart(new_session=True, off_s=200)
    located.change(dict(HERE))
    located.pass_time(1000)
    assert stop_at - 70 < sealed_until(located) <= stop_at
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_that_it_stood_lower_is_known_after_a_restart_of_the_agent_too(located: Driver) -> None:
    track(located)
    stop_at = located.now + 600
    located.wall_offset = WALL_AT_0 + 100
    located.restart()
    located.change(dict(HERE))
    located.pass_time(120)
    located.wall_offset = WALL_AT_0
    located.restart(new_session=True, off_s=100)
    located.change(dict(HERE))
    located.pass_time(1000)
    assert sealed_until(located) <= stop_at


@pytest.mark.parametrize("behind_s", [5.0, 50.0, 3600.0])
def test_a_clock_that_once_stood_behind_takes_time_away(located: Driver, behind_s: float) -> None:
    track(located)
    stop_at = located.now + 600
    located.wall_offset = WALL_AT_0 - behind_s
    located.pass_time(61)
    located.wall_offset = WALL_AT_0
    located.pass_time(61)
    located.restart(new_session=True, off_s=10)
    located.change(dict(HERE))
    located.pass_time(1000)
    assert sealed_until(located) <= max(stop_at - behind_s, stop_at - 600 + 122)
    assert verdict(located) == (Outcome.EXECUTED, Reason.STOP_TIME)


def test_a_clock_that_is_set_right_between_two_fixes_is_seen_soon(located: Driver) -> None:
    """Nothing else happens in the car meanwhile: a power cut before the next fix must not give the difference away."""
    located.wall_offset = WALL_AT_0 + 100
    track(located, interval_s=300, duration_s=3600)
    located.pass_time(60, quiet=True)
    stored = len(located.persisted(records.POSITION))
    located.wall_offset = WALL_AT_0
    located.pass_time(WALL_LOOK_S, quiet=True)
    assert len(located.persisted(records.POSITION)) == stored + 1


def test_a_drift_is_not_stored_each_second(located: Driver) -> None:
    """A clock that is slewed falls by milliseconds: what is stored goes with the fixes."""
    track(located, interval_s=300, duration_s=3600)
    stored = len(located.persisted(records.POSITION))
    for _ in range(20):
        assert located.wall_offset is not None
        located.wall_offset -= 0.02
        located.pass_time(10)
    assert len(located.persisted(records.POSITION)) == stored


def test_the_time_that_comes_after_acceptance_is_a_proof_too() -> None:
    car = Driver(wall_offset=None)
    car.provision()
    car.change(dict(HERE))
    track(car)
    stop_at = car.now + 600
    car.wall_offset = WALL_AT_0
    car.put(TimeProven())
    car.restart(new_session=True, off_s=200)
    car.change(dict(HERE))
    car.pass_time(1000)
    assert stop_at - 70 < sealed_until(car) <= stop_at
    assert verdict(car) == (Outcome.EXECUTED, Reason.STOP_TIME)


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


def test_a_disk_that_fails_at_the_start_does_not_stop_it(located: Driver) -> None:
    track(located)
    located.restart(failing=Failure(lambda effect: isinstance(effect, Persist)))
    located.pass_time(60)
    assert located.results == []
    assert len(located.positions) > 1


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
    located.acknowledge_positions(1)
    assert located.core._parts.position.cases.deadline is None
    assert CASE in located.core._parts.position.open_cases
    located.put(EffectFailed(ErasePositions(CASE), "late", may_have_happened=False))
    assert located.core._parts.position.cases.deadline is None


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
