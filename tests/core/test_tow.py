"""A locked car that moves keeps it to itself until a theft case is open; see `core.theft.tow_states`."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.events import Value
from tcu_agent.core.theft.places import Place
from tcu_agent.core.theft.tow import STANDS_WITHIN_M
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Service
from tests.core.driver import Driver

HERE: dict[str, Value] = {
    vss.LATITUDE: 57.7,
    vss.LONGITUDE: 11.9,
    vss.ACCURACY_M: 5.0,
    vss.FIX_TYPE: "THREE_D",
}
M_PER_DEGREE = 111_195.0
BY_KEY: dict[str, Value] = {vss.DOOR_LOCKS[0]: False, vss.LOCKING_SOURCE: "key"}


def moved(distance_m: float, **more: Value) -> dict[str, Value]:
    """Return the signals of a car so far north of `HERE`."""
    return {**HERE, vss.LATITUDE: 57.7 + distance_m / M_PER_DEGREE, **more}


def towed(car: Driver) -> None:
    car.change(HERE)
    car.change(moved(500))


def told(car: Driver) -> list[Event]:
    return car.events(EventKind.TOWED)


def test_a_car_on_a_lorry_says_nothing(car: Driver) -> None:
    before = len(list(car.appended()))
    towed(car)
    car.pass_time(600)
    assert car.core.snapshot()["tow"] == "towed"
    assert len(list(car.appended())) == before
    assert car.notes.count("towed") == 1


def test_it_is_told_once_when_a_theft_case_opens(car: Driver) -> None:
    towed(car)
    assert car.wall is not None
    seen_at = round(car.wall)
    car.pass_time(600)
    car.allow(Service.POSITION)
    car.pass_time(600)
    (event,) = told(car)
    assert event.values == {vss.TOW_SEEN_AT: seen_at}
    assert event.incident_id == car.positions[0].authorisation.case_id
    car.allow(Service.POSITION)
    car.pass_time(5)
    assert len(told(car)) == 1


def test_no_place_is_in_it_nor_on_the_disk(car: Driver) -> None:
    towed(car)
    assert (
        car.stored[records.TOW]
        == b"\x83\x01\x1b" + round((car.wall or 0) * 1000).to_bytes(8, "big") + b"\xf4"
    )
    assert not car.core._parts.tow._stands_at


def test_no_place_is_in_what_is_shown_of_where_it_stands(car: Driver) -> None:
    car.change(HERE)
    (place,) = car.core._parts.tow._stands_at
    assert "57" not in repr(place)


def test_with_a_wrong_clock_the_time_is_not_told(car: Driver) -> None:
    car.wall_offset = None
    towed(car)
    car.allow(Service.POSITION)
    car.pass_time(5)
    assert told(car)[0].values == {vss.TOW_SEEN_AT: None}


@pytest.mark.parametrize(
    ("distance_m", "accuracy_m", "is_towed"),
    [(99.0, 0.0, False), (112.0, 5.0, True), (109.0, 5.0, False), (180.0, None, True)],
)
def test_inaccurate_fixes_do_not_move_a_car(
    car: Driver, distance_m: float, accuracy_m: float | None, is_towed: bool
) -> None:
    car.change({**HERE, vss.ACCURACY_M: (accuracy_m and 5.0) or 0.0})
    car.change(moved(distance_m, **{vss.ACCURACY_M: accuracy_m}))
    assert (car.core.snapshot()["tow"] == "towed") is is_towed


@pytest.mark.parametrize("accuracy_m", [None, 150.0, STANDS_WITHIN_M, 400.0, 1e6])
def test_a_first_fix_that_is_bad_does_not_blind_it_for_the_whole_parking(
    car: Driver, accuracy_m: float | None
) -> None:
    car.change({**HERE, vss.ACCURACY_M: accuracy_m})
    car.change(HERE)
    car.pass_time(600)
    car.change(moved(109))
    assert car.core.snapshot()["tow"] == "watched"
    car.change(moved(112))
    assert car.core.snapshot()["tow"] == "towed"


def test_a_worse_fix_changes_nothing_about_where_it_stands(car: Driver) -> None:
    car.change(HERE)
    car.change(moved(90, **{vss.ACCURACY_M: 60.0}))
    car.change(moved(112))
    assert car.core.snapshot()["tow"] == "towed"


def test_fixes_that_get_better_while_the_car_is_taken_away_do_not_go_along_with_it(
    car: Driver,
) -> None:
    for taken in range(16):
        car.change(moved(50 * taken, **{vss.ACCURACY_M: 80.0 - 5 * taken}))
        is_beyond = 50 * taken > 100 + 80 + (80 - 5 * taken)
        assert (car.core.snapshot()["tow"] == "towed") is is_beyond
    assert car.core.snapshot()["tow"] == "towed"


def test_no_more_than_two_places_are_remembered_of_a_parking(car: Driver) -> None:
    """The first and the best: where a car is is a secret."""
    for accuracy_m in (50.0, 40.0, 45.0, 20.0, 10.0):
        car.change(moved(accuracy_m, **{vss.ACCURACY_M: accuracy_m}))
    assert [each.accuracy_m for each in car.core._parts.tow._stands_at] == [10.0, 50.0]


@pytest.mark.parametrize(("accuracy_m", "is_place"), [(STANDS_WITHIN_M, True), (200.1, False)])
def test_what_may_be_far_off_is_no_place_to_begin_with(
    car: Driver, accuracy_m: float, is_place: bool
) -> None:
    """A receiver that has just begun may be wrong by more than it says."""
    car.change({**HERE, vss.ACCURACY_M: accuracy_m})
    car.change(moved(10_000))
    assert (car.core.snapshot()["tow"] == "towed") is is_place
    car.change(moved(10_200))
    assert car.core.snapshot()["tow"] == "towed"


def test_a_coarse_fix_that_is_far_enough_away_shows_a_tow_all_the_same(car: Driver) -> None:
    car.change(HERE)
    car.change(moved(10_000, **{vss.ACCURACY_M: 1000.0}))
    assert car.core.snapshot()["tow"] == "towed"


def test_without_a_fix_it_is_not_known_to_move(car: Driver) -> None:
    car.change(HERE)
    car.change(moved(500, **{vss.FIX_TYPE: "NONE"}))
    assert car.core.snapshot()["tow"] == "watched"
    car.change({vss.FIX_TYPE: "TWO_D"})
    assert car.core.snapshot()["tow"] == "towed"


@pytest.mark.parametrize(
    "in_use", [{vss.DOOR_LOCKS[1]: False}, {vss.USAGE_MODE: "inactive"}, {vss.DOOR_LOCKS[0]: None}]
)
def test_a_car_that_was_never_left_locked_is_not_watched(in_use: dict[str, Value]) -> None:
    car = Driver()
    car.signals.update(in_use)
    car.restart()
    towed(car)
    assert car.core.snapshot()["tow"] == "in use"


def test_the_key_ends_the_watch_and_the_next_parking_place_is_another(car: Driver) -> None:
    car.change(HERE)
    car.change(BY_KEY)
    assert car.core.snapshot()["tow"] == "in use"
    car.change(moved(500))
    car.change({vss.DOOR_LOCKS[0]: True})
    car.refresh()
    assert car.core.snapshot()["tow"] == "watched"
    car.change(moved(510))
    assert car.core.snapshot()["tow"] == "watched"
    car.change(HERE)
    assert car.core.snapshot()["tow"] == "towed"


def test_a_thief_without_the_key_does_not_end_it(car: Driver) -> None:
    towed(car)
    car.change({vss.DOOR_LOCKS[0]: False, vss.LOCKING_SOURCE: "none", vss.DOORS_OPEN[0]: True})
    car.change({vss.USAGE_MODE: "inactive"})
    assert car.core.snapshot()["tow"] == "towed"


@pytest.mark.parametrize("new_session", [False, True])
def test_it_survives_a_restart(car: Driver, new_session: bool) -> None:
    towed(car)
    car.restart(new_session=new_session)
    car.allow(Service.POSITION)
    car.pass_time(5)
    car.restart(new_session=new_session)
    car.allow(Service.POSITION)
    car.pass_time(5)
    assert len(told(car)) == 1


def test_the_owner_who_comes_for_the_car_ends_it(car: Driver) -> None:
    towed(car)
    car.change({vss.USAGE_MODE: "active"})
    assert records.TOW not in car.stored
    car.change({vss.USAGE_MODE: "inactive"})
    car.allow(Service.POSITION)
    car.pass_time(5)
    assert told(car) == []


def test_distances_are_those_of_a_sphere() -> None:
    here = Place(latitude=0.0, longitude=0.0)
    assert here.distance_m(Place(latitude=0.0, longitude=1.0)) == pytest.approx(M_PER_DEGREE, 1e-4)
    antipode = Place(latitude=0.0, longitude=180.0)
    assert here.distance_m(antipode) == pytest.approx(20_015_087, 1e-4)
