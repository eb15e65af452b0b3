"""The car's signals, and the watch on who opens it: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import Value
from tcu_agent.core.theft.key_use import UNKNOWN_AT_MOST_S
from tcu_agent.core.vehicle import Change
from tests.core.driver import Driver
from tests.core.test_watch import LOCK, opens, told


@pytest.mark.parametrize(
    ("path", "old", "new", "shown"),
    [
        (LOCK, True, None, f"Change({LOCK!r}, True -> None, at=2.0)"),
        (vss.LATITUDE, 57.7, 57.8, f"Change({vss.LATITUDE!r}, <a place> -> <a place>, at=2.0)"),
        (vss.LONGITUDE, None, 1.0, f"Change({vss.LONGITUDE!r}, None -> <a place>, at=2.0)"),
    ],
)
def test_a_change_shows_what_has_changed_and_no_place(
    path: str, old: Value, new: Value, shown: str
) -> None:
    assert repr(Change(path, old, new, 2.0)) == shown


def test_a_use_that_ended_in_the_moment_in_which_it_began_explains_nothing(car: Driver) -> None:
    car.locks(None)
    car.pass_time(1)
    car.change({vss.USAGE_MODE: "driving"})
    car.change({vss.USAGE_MODE: "abandoned"})
    car.pass_time(UNKNOWN_AT_MOST_S)
    opens(car, "automatic")
    assert len(told(car)) == 1


def test_a_lock_that_the_frame_that_ended_the_mode_still_showed_locked_is_of_a_car_in_use(
    car: Driver,
) -> None:
    car.change({vss.USAGE_MODE: "inactive", LOCK: True})
    car.jump(0.1)
    opens(car, "none")
    assert told(car) == []
