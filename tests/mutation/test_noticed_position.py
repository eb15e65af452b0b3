"""Positions, mostly over a restart: differences that no other test noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_agent.core import vss
from tcu_agent.core.effects import SealPosition
from tcu_agent.core.events import SignalChange
from tcu_agent.core.position.fixes import FixSource
from tcu_agent.core.position.position import PROOF_LOOK_S
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.core.position.states import State
from tcu_agent.core.theft.places import Place
from tcu_agent.core.vehicle import VehicleState
from tcu_agent.protocol.messages import Fix, Result
from tcu_agent.protocol.vocabulary import EventKind, FixQuality, Outcome, Reason, Service
from tests.core.driver import Driver, Failure
from tests.core.test_position_restart import HERE
from tests.core.test_records import POSITION
from tests.core.test_vehicle import place
from tests.protocol import signing
from tests.protocol.signing import SNAPSHOT, TRACKING


def test_tracking_that_goes_on_is_sealed_under_the_same_permission(car: Driver) -> None:
    car.change(dict(HERE))
    car.allow(Service.POSITION, parameters=TRACKING)
    car.pass_time(10)
    car.restart(off_s=100)
    car.change(dict(HERE))
    car.pass_time(100)
    before, *after = [position.authorisation for position in car.positions]
    assert after
    for each in after:
        assert (each.common, each.parameters) == (before.common, before.parameters)
        assert (each.case_id, each.grant_hash) == (before.case_id, before.grant_hash)


@pytest.mark.parametrize(
    ("wall", "left_s"),
    [
        (None, None),
        (1.8e9 - 1, None),
        (1.8e9, 540.25),
        (1.8e9 + 40, 500.25),
        (1.8e9 + 600, -59.75),
    ],
)
def test_after_a_power_cut_the_wall_clock_proves_what_is_left(
    wall: float | None, left_s: float | None
) -> None:
    tested: PositionRecord = POSITION
    assert tested.provable_s(boot_session="another", now=5.0, wall=wall) == left_s
    assert tested.provable_s(boot_session=tested.boot_session, now=1500.0, wall=wall) == 100.0


def tracked(car: Driver) -> Driver:
    """A car that has sealed a position of a tracking of 600 s, 10 s ago."""
    car.change(dict(HERE))
    car.allow(Service.POSITION, parameters=TRACKING)
    car.pass_time(10)
    assert car.positions
    return car


def test_a_tracking_with_half_a_second_left_still_goes_on_after_a_restart(car: Driver) -> None:
    assert TRACKING.duration_s is not None
    car.settles = False
    tracked(car)
    car.restart(off_s=TRACKING.duration_s - 10.5)
    assert car.core._parts.position.request_id is not None
    assert car.core._parts.position.machine.state is State.TRACKING


def test_a_fix_that_fails_after_a_restart_does_not_make_a_tracking_one_without_fixes(
    car: Driver,
) -> None:
    request = tracked(car).core._parts.position.request_id
    car.restart(failing=Failure(lambda effect: isinstance(effect, SealPosition)))
    car.pass_time(5)
    assert car.failures[0].times == 0
    car.receive("case-end", signing.sign(car.centre.case_end()))
    (result,) = [each for each in car.appended() if isinstance(each, Result)]
    assert result.common.request_id == request
    assert result.outcome is Outcome.EXECUTED


def test_a_tracking_that_waits_for_the_time_asks_to_be_looked_at_each_second(car: Driver) -> None:
    tracked(car)
    car.wall_offset = None
    car.restart(new_session=True)
    assert car.core._parts.position.deadline == car.now + PROOF_LOOK_S


def test_a_tracking_is_told_without_a_reason_and_its_positions_name_the_stream(car: Driver) -> None:
    tracked(car)
    (told,) = car.events(EventKind.TRACKING_STARTED)
    assert told.reason is Reason.NONE
    assert {each.stream_id for each in car.positions} == {car.core._parts.journal.stream_id}


def test_that_there_is_no_place_is_told_with_its_time() -> None:
    source = FixSource(vehicle=VehicleState(fresh_s=2.0), fresh_s=2.0)
    assert source.fix(5.0, 1.8e9) == Fix(quality=FixQuality.NONE, wall_time_ms=1_800_000_000_000)


def test_a_place_is_new_up_to_its_very_limit() -> None:
    source = place()
    assert source.is_fresh(102.0)
    assert not source.is_fresh(102.001)


def test_the_time_is_durable_with_the_acceptance_itself(car: Driver) -> None:
    car.settles = False
    car.allow(Service.POSITION, parameters=TRACKING)
    car.restart(new_session=True, off_s=10)
    assert car.results == []
    assert car.core._parts.position.request_id is not None


def test_a_tracking_that_went_on_after_a_power_cut_needs_no_time_for_a_mere_restart(
    car: Driver,
) -> None:
    tracked(car).restart(new_session=True)
    car.wall_offset = None
    car.restart()
    before = len(car.positions)
    car.change(dict(HERE))
    car.pass_time(70)
    assert len(car.positions) > before


def test_a_bus_is_woken_in_the_name_of_the_position(car: Driver) -> None:
    car.allow(Service.POSITION, parameters=TRACKING)
    assert {each.reason for each in car.wakes} == {"position"}


def test_where_the_car_is_says_a_fix_of_now_alone() -> None:
    assert place().place(100.0) == Place(latitude=-33.8568, longitude=151.2153)
    assert place().place(102.001) is None
    assert FixSource(vehicle=VehicleState(fresh_s=2.0), fresh_s=2.0).place(100.0) is None


def test_how_exactly_it_is_known_where_the_car_is() -> None:
    where = place(**{vss.ACCURACY_M: 7.5}).place(100.0)
    assert where == Place(latitude=-33.8568, longitude=151.2153, accuracy_m=7.5)


def test_a_place_that_is_not_seen_again_grows_old() -> None:
    source = place()
    source.advance(105.0)
    assert not source.is_fresh(105.0)
    old = source.fix(105.0, None)
    assert (old.quality, old.age_ms) == (FixQuality.LAST_KNOWN, 5000)


def test_a_place_is_as_old_as_it_was_seen_whatever_else_the_car_says() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    source = FixSource(vehicle=vehicle, fresh_s=2.0)
    here = {vss.LATITUDE: -33.8568, vss.LONGITUDE: 151.2153}
    vehicle.apply((SignalChange(path, value, 100.0) for path, value in here.items()), now=100.0)
    vehicle.apply((SignalChange(vss.SPEED_KMH, 0.0, 104.0),), now=104.0)
    source.advance(104.0)
    assert source.fix(104.0, None).age_ms == 4000


@pytest.mark.parametrize(("age_s", "age_ms"), [(-5.0, 10_000), (5.0, 15_000)])
def test_an_age_below_zero_makes_no_place_newer(age_s: float, age_ms: int) -> None:
    assert place(**{vss.FIX_AGE_S: age_s}).fix(110.0, None).age_ms == age_ms


def test_an_age_beyond_the_wire_is_cut_off_at_its_end() -> None:
    assert place().fix(1e9, None).age_ms == 2**32 - 1


@pytest.mark.parametrize(
    ("heading_deg", "heading_ddeg"), [(359.9, 3599), (360.0, 0), (360.1, None), (361.0, None)]
)
def test_the_circle_ends_where_it_begins(heading_deg: float, heading_ddeg: int | None) -> None:
    assert place(**{vss.HEADING: heading_deg}).fix(100.0, None).heading_ddeg == heading_ddeg


def test_a_snapshot_that_a_restart_cut_off_keeps_nobody_waiting(car: Driver) -> None:
    car.allow(Service.POSITION, parameters=SNAPSHOT)
    car.restart()
    assert car.core._parts.position.machine.state is State.IDLE


def test_a_tracking_is_looked_at_when_it_ends_and_when_a_fix_is_due(car: Driver) -> None:
    car.change(dict(HERE))
    car.allow(Service.POSITION, parameters=replace(TRACKING, interval_s=23, duration_s=63))
    began, until = car.now, car.now + 63
    seals = []
    while (deadline := car.core.next_deadline()) is not None and car.now < until:
        assert deadline <= until
        known = len(car.positions)
        car.pass_time(max(deadline - car.now, 0.001), quiet=True)
        seals += [car.now - began] * (len(car.positions) - known)
    assert seals == [33.0, 56.0]  # due at 23 and 46, and looked for as long as a place is fresh
    assert verdict_of(car) is Reason.STOP_TIME


def test_what_the_wall_clock_took_off_a_tracking_stays_off_after_a_mere_restart(
    car: Driver,
) -> None:
    car.change(dict(HERE))
    car.allow(Service.POSITION, parameters=replace(TRACKING, duration_s=400))
    car.pass_time(10)
    assert car.wall_offset is not None
    car.wall_offset += 300
    car.restart(new_session=True)
    car.restart()
    car.pass_time(95)
    assert verdict_of(car) is Reason.STOP_TIME


def test_the_only_fix_that_could_not_be_sealed_makes_a_tracking_a_failed_one(car: Driver) -> None:
    car.change(dict(HERE))
    car.failures.append(Failure(lambda effect: isinstance(effect, SealPosition), times=1))
    car.allow(Service.POSITION, parameters=replace(TRACKING, interval_s=60, duration_s=60))
    car.pass_time(70)
    assert verdict_of(car) is Reason.SEAL_FAILED


@pytest.mark.parametrize(
    ("before", "verdict"),
    [("sealed", Reason.CASE_ENDED), ("failed", Reason.SEAL_FAILED), ("none", Reason.CASE_ENDED)],
)
def test_a_fix_that_the_end_of_its_case_took_back_counts_neither_as_sealed_nor_as_failed(
    car: Driver, before: str, verdict: Reason
) -> None:
    if before == "failed":
        car.failures.append(Failure(lambda effect: isinstance(effect, SealPosition), times=1))
    car.change(dict(HERE))
    car.settles = before != "none"
    car.allow(Service.POSITION, parameters=TRACKING)
    car.pass_time(59 if car.settles else 0)
    sealed = len(car.positions)
    assert sealed == (before == "sealed")
    car.jump((car.core.next_deadline() or 0.0) - car.now)
    car.receive("case-end", signing.sign(car.centre.case_end()))
    assert len(car.positions) == sealed
    assert verdict_of(car) is verdict


def verdict_of(car: Driver) -> Reason:
    """Return why the only tracking ended."""
    (result,) = [each for each in car.appended() if isinstance(each, Result)]
    return result.reason
