"""Alarm and tow: differences that no other test noticed."""

from __future__ import annotations

import math

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.events import Value
from tcu_agent.core.theft.key_use import UNKNOWN_AT_MOST_S
from tcu_agent.core.theft.places import EARTH_RADIUS_M, Place
from tcu_agent.core.theft.tow_record import TowRecord
from tcu_agent.protocol.vocabulary import EventKind, Service
from tests.core.driver import Driver
from tests.core.test_tow import BY_KEY, towed

LOCKED: dict[str, Value] = {
    **dict.fromkeys(vss.DOOR_LOCKS, True),
    vss.USAGE_MODE: "abandoned",
}


def test_the_key_to_a_car_that_was_not_towed_writes_nothing(car: Driver) -> None:
    car.change(BY_KEY)
    assert car.core.snapshot()["tow"] == "in use"
    assert car.persisted(records.TOW) == []


def test_what_the_key_has_erased_is_not_erased_again(car: Driver) -> None:
    towed(car)
    car.change(BY_KEY)
    car.change(LOCKED)
    car.change(BY_KEY)
    assert [record is None for record in car.persisted(records.TOW)] == [False, True]


def test_what_was_told_stays_on_the_disk_with_its_time_and_is_not_told_again(car: Driver) -> None:
    towed(car)
    seen_wall = car.wall
    car.allow(Service.POSITION)
    car.pass_time(5)
    assert car.stored[records.TOW] == TowRecord(seen_wall=seen_wall, is_told=True).to_bytes()
    car.restart()
    assert car.core.snapshot()["tow"] == "told"
    assert len(car.events(EventKind.TOWED)) == 1


def test_after_a_restart_it_still_knows_when_and_what_to_erase(car: Driver) -> None:
    towed(car)
    assert car.wall is not None
    seen_at = round(car.wall)
    car.restart()
    car.allow(Service.POSITION)
    car.pass_time(5)
    assert [event.values for event in car.events(EventKind.TOWED)] == [{vss.TOW_SEEN_AT: seen_at}]
    car.restart()
    car.change(BY_KEY)
    assert records.TOW not in car.stored


def test_a_car_that_stands_still_is_beyond_nothing() -> None:
    here = Place(latitude=57.7, longitude=11.9, accuracy_m=0.0)
    assert not here.is_beyond(0.0, here)


@pytest.mark.parametrize(("latitude", "longitude"), [(67.9, 20.2), (0.1, 100.0), (-57.7, 11.9)])
def test_a_distance_between_two_latitudes_is_the_angle_between_two_vectors(
    latitude: float, longitude: float
) -> None:
    here = Place(latitude=57.7, longitude=11.9)
    there = Place(latitude=latitude, longitude=longitude)
    cosine = sum(a * b for a, b in zip(vector(here), vector(there), strict=True))
    assert here.distance_m(there) == pytest.approx(EARTH_RADIUS_M * math.acos(cosine), rel=1e-9)


def vector(place: Place) -> tuple[float, float, float]:
    """Return the place on a sphere of radius 1."""
    north, east = math.radians(place.latitude), math.radians(place.longitude)
    flat = math.cos(north)
    return flat * math.cos(east), flat * math.sin(east), math.sin(north)


def test_a_restart_is_no_key(car: Driver) -> None:
    car.change({vss.ALARM: "triggered"})
    car.restart()
    car.change({vss.ALARM: "off"})
    car.pass_time(100)
    assert len(car.events(EventKind.ALARM)) == 1


def test_an_alarm_that_was_told_before_a_restart_makes_way_for_the_next(car: Driver) -> None:
    car.change({vss.ALARM: "triggered"})
    car.pass_time(100)
    car.restart()
    assert car.core.snapshot()["alarm"] == "told"
    car.change({vss.ALARM: "armed"})
    car.change({vss.ALARM: "triggered"})
    car.pass_time(100)
    assert len(car.events(EventKind.ALARM)) == 2


@pytest.mark.parametrize(("beyond_s", "is_key"), [(0.0, True), (0.125, False)])
def test_a_lock_may_be_unknown_for_as_long_as_is_said_and_no_longer(
    car: Driver, beyond_s: float, *, is_key: bool
) -> None:
    car.change({vss.LOCKING_SOURCE: "key"})
    car.change({vss.ALARM: "triggered"})
    car.pass_time(3)
    car.change(dict.fromkeys(vss.DOOR_LOCKS))
    car.jump(UNKNOWN_AT_MOST_S + beyond_s)
    car.change({**BY_KEY, vss.ALARM: "off"})
    assert (car.core.snapshot()["alarm"] == "quiet") is is_key
