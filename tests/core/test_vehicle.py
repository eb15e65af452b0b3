"""What the car is known to be: last values, ages, sleep; settings; positions."""

from __future__ import annotations

import math

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import SignalChange, Value
from tcu_agent.core.position.fixes import FixSource
from tcu_agent.core.unlock import preconditions
from tcu_agent.core.vehicle import VehicleState
from tcu_agent.errors import BadInput
from tcu_agent.protocol.vocabulary import FixQuality, LockState, Relock, Service
from tests.core.driver import settings
from tests.protocol import signing

PATH = vss.DOOR_LOCKS[0]


def show(vehicle: VehicleState, value: Value, at: float, path: str = PATH) -> Value:
    """Show a value; return the one before."""
    (change,) = vehicle.apply((SignalChange(path, value, at),), now=at)
    assert (change.path, change.new, change.at) == (path, value, at)
    return change.old


def test_a_value_is_fresh_for_a_while() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    assert vehicle.value(PATH) is None
    assert vehicle.age_s(PATH, 0.0) == math.inf
    assert show(vehicle, True, 10.0) is None
    assert vehicle.fresh(PATH, 11.9) is True
    assert vehicle.fresh(PATH, 12.0) is None
    assert vehicle.value(PATH) is True
    vehicle.refresh((PATH,), 12.0, now=12.0)
    assert vehicle.fresh(PATH, 13.9) is True
    assert vehicle.age_s(PATH, 13.0) == 1.0


def test_since_means_after() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    show(vehicle, True, 10.0)
    assert vehicle.since(PATH, 9.9) is True
    assert vehicle.since(PATH, 10.0) is None


def test_a_refresh_never_makes_known_what_is_not() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    vehicle.refresh((PATH,), 1.0, now=1.0)
    assert vehicle.fresh(PATH, 1.0) is None
    show(vehicle, None, 2.0)
    vehicle.refresh((PATH,), 3.0, now=3.0)
    assert vehicle.fresh(PATH, 3.0) is None


def test_a_refresh_never_makes_older() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    show(vehicle, True, 10.0)
    vehicle.refresh((PATH,), 5.0, now=10.0)
    assert vehicle.age_s(PATH, 10.0) == 0.0


def test_times_from_the_future_are_not_believed() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    vehicle.apply((SignalChange(PATH, True, 99.0),), now=10.0)
    assert vehicle.fresh(PATH, 12.5) is None
    vehicle.refresh((PATH,), 99.0, now=13.0)
    assert vehicle.fresh(PATH, 15.5) is None


def test_sleep_hides_values_but_not_edges() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    show(vehicle, False, 1.0)
    assert vehicle.fall_asleep((PATH,)) == (PATH,)
    assert vehicle.fall_asleep((PATH,)) == ()
    assert vehicle.value(PATH) is None
    assert vehicle.fresh(PATH, 1.0) is None
    assert show(vehicle, True, 5.0) is False


def test_a_change_tells_what_was_known_before_it_however_long_ago() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    show(vehicle, True, 1.0)
    vehicle.refresh((PATH,), 2.0, now=2.0)
    show(vehicle, None, 3.0)
    show(vehicle, None, 4.0)
    (change,) = vehicle.apply((SignalChange(PATH, False, 9.0),), now=9.0)
    assert (change.old, change.seen_at) == (None, 4.0)
    assert (change.known, change.known_at) == (True, 2.0)
    (change,) = vehicle.apply((SignalChange(PATH, True, 10.0),), now=10.0)
    assert (change.known, change.known_at) == (change.old, change.seen_at) == (False, 9.0)


def test_known_without_a_gap() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    assert not vehicle.is_known_since_before(PATH, 5.0)
    show(vehicle, "key", 1.0)
    show(vehicle, "none", 3.0)
    assert vehicle.is_known_since_before(PATH, 1.1)
    assert not vehicle.is_known_since_before(PATH, 1.0)
    show(vehicle, None, 4.0)
    assert not vehicle.is_known_since_before(PATH, 9.0)
    show(vehicle, "none", 5.0)
    assert vehicle.is_known_since_before(PATH, 5.1)
    assert not vehicle.is_known_since_before(PATH, 4.9)
    vehicle.fall_asleep((PATH,))
    show(vehicle, "none", 6.0)
    assert not vehicle.is_known_since_before(PATH, 5.5)


def test_when_a_word_began_last() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    assert vehicle.became(PATH, "triggered") == -math.inf
    show(vehicle, "triggered", 1.0)
    show(vehicle, "triggered", 2.0)
    show(vehicle, "off", 3.0)
    assert vehicle.became(PATH, "triggered") == 1.0
    vehicle.fall_asleep((PATH,))
    show(vehicle, "off", 4.0)
    assert (vehicle.became(PATH, "triggered"), vehicle.became(PATH, "off")) == (1.0, 3.0)
    show(vehicle, "triggered", 5.0)
    assert vehicle.became(PATH, "triggered") == 5.0
    show(vehicle, None, 6.0)
    show(vehicle, "triggered", 7.0)
    assert vehicle.became(PATH, "triggered") == 7.0


def test_what_was_lost_before_the_sleep_stays_lost() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    show(vehicle, False, 1.0)
    show(vehicle, None, 2.0)
    vehicle.fall_asleep((PATH,))
    assert show(vehicle, True, 5.0) is None


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (True, LockState.LOCKED),
        (False, LockState.UNLOCKED),
        (None, LockState.UNKNOWN),
        ("moving", LockState.UNKNOWN),
    ],
)
def test_lock_states(value: Value, state: LockState) -> None:
    vehicle = VehicleState(fresh_s=2.0)
    show(vehicle, value, 1.0)
    assert preconditions.lock_states(vehicle, (PATH,), since=0.0) == {0: state}


def test_no_lock_is_not_all_locks() -> None:
    assert not preconditions.all_are({}, LockState.UNLOCKED)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"challenge_ttl_s": 0}, "challenge_ttl_s"),
        ({"challenge_ttl_s": 121}, "challenge_ttl_s"),
        ({"press_ms": 19}, "press_ms"),
        ({"relock_after_s": math.nan}, "relock_after_s"),
        ({"root_threshold": 1}, "root_threshold"),
        ({"locks": ("Vehicle.Speed",)}, "locks"),
        ({"reported": (vss.LATITUDE,)}, "reported"),
        ({"unlock_modes": frozenset({"driving"})}, "unlock_modes"),
        ({"locks": ()}, "locks"),
        ({"reported": vss.DOOR_LOCKS}, "relock"),
        ({"armed_window_min_s": 100, "armed_window_max_s": 99}, "armed_window_min_s"),
        ({"roots": (bytes(33),)}, "roots"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(
    changes: dict[str, object], where: str
) -> None:
    with pytest.raises(BadInput) as caught:
        settings(**changes)
    assert caught.value.where == where


def test_a_car_without_doors_to_look_at_can_leave_locking_to_others() -> None:
    settings(reported=vss.DOOR_LOCKS, relock=Relock.NONE)
    settings(locks=(), reported=(), services=frozenset({Service.POSITION}))


# ---------------------------------------------------------------- places


def place(**changes: Value) -> FixSource:
    values: dict[str, Value] = {
        vss.LATITUDE: -33.8568, vss.LONGITUDE: 151.2153, vss.FIX_TYPE: "TWO_D", **changes,
    }  # fmt: skip
    vehicle = VehicleState(fresh_s=2.0)
    vehicle.apply((SignalChange(path, value, 100.0) for path, value in values.items()), now=100.0)
    source = FixSource(vehicle=vehicle, fresh_s=2.0)
    source.advance(100.0)
    return source


@pytest.mark.parametrize(
    ("fix_type", "quality"),
    [
        ("TWO_D", FixQuality.FIX_2D),
        ("TWO_D_SATELLITE_BASED_AUGMENTATION", FixQuality.FIX_2D),
        ("THREE_D", FixQuality.FIX_3D),
        ("THREE_D_GROUND_BASED_AUGMENTATION", FixQuality.FIX_3D),
        ("NONE", FixQuality.LAST_KNOWN),
        (None, FixQuality.LAST_KNOWN),
    ],
)
def test_quality(fix_type: Value, quality: FixQuality) -> None:
    source = place(**{vss.FIX_TYPE: fix_type})
    assert source.fix(100.0, None).quality is quality
    assert source.is_fresh(100.0) is (quality is not FixQuality.LAST_KNOWN)


def test_what_the_receiver_does_not_say_is_left_out() -> None:
    fix = place().fix(101.5, None)
    assert (fix.latitude_e7, fix.longitude_e7) == (-338568000, 1512153000)
    assert (fix.age_ms, fix.wall_time_ms) == (1500, 0)
    assert (fix.accuracy_cm, fix.heading_ddeg, fix.speed_ckmh) == (None, None, None)


def test_the_receivers_own_age_counts() -> None:
    source = place(**{vss.FIX_AGE_S: 30.0})
    assert not source.is_fresh(100.0)
    assert source.fix(100.0, None).age_ms == 30_000
    assert source.fix(100.0, None).quality is FixQuality.LAST_KNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {vss.LATITUDE: 90.1},
        {vss.LONGITUDE: -180.1},
        {vss.LATITUDE: None},
        {vss.LONGITUDE: "east"},
        {vss.LATITUDE: True},
        {vss.LATITUDE: math.nan},
    ],
)
def test_a_place_that_makes_no_sense_is_none(changes: dict[str, Value]) -> None:
    assert place(**changes).fix(100.0, None).quality is FixQuality.NONE


def test_a_full_turn_is_north() -> None:
    assert place(**{vss.HEADING: 359.99}).fix(100.0, None).heading_ddeg == 0


def test_the_poles_and_the_date_line_are_places() -> None:
    fix = place(**{vss.LATITUDE: 90, vss.LONGITUDE: -180}).fix(100.0, None)
    assert (fix.latitude_e7, fix.longitude_e7) == (900000000, -1800000000)
    assert signing.id16("x")


def test_whatever_the_car_says_is_something_new_to_look_at() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    seen = [vehicle.told]
    vehicle.apply([SignalChange(vss.SPEED_KMH, 1.0, 1.0)], now=1.0)
    seen.append(vehicle.told)
    vehicle.refresh([vss.SPEED_KMH], 2.0, now=2.0)
    seen.append(vehicle.told)
    vehicle.fall_asleep([vss.SPEED_KMH])
    seen.append(vehicle.told)
    assert len(set(seen)) == 4


def test_what_was_known_last_outlives_a_loss_and_a_sleep() -> None:
    vehicle = VehicleState(fresh_s=2.0)
    assert vehicle.last_known(PATH) is None
    show(vehicle, False, 1.0)
    assert vehicle.last_known(PATH) is False
    show(vehicle, None, 2.0)
    assert vehicle.last_known(PATH) is False
    vehicle.fall_asleep([PATH])
    assert vehicle.last_known(PATH) is False
    show(vehicle, True, 3.0)
    vehicle.fall_asleep([PATH])
    assert vehicle.last_known(PATH) is True
    show(vehicle, None, 4.0)
    assert vehicle.last_known(PATH) is True
