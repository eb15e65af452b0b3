"""A path that looks like one that the agent acts on, and is none, is warned of; and the documented list is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.paths import ACTED_ON, path_warnings
from tcu_agent.core import vss
from tests.can.vehicle import REFERENCE
from tests.foreign_data import ROOT

_TOLD_ONLY = re.compile(r"Vehicle\.TCU\.(?!OnCall\.IsButtonPressed)")
"""What the core reports about itself; no signal of the car."""


def paths_of(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("Vehicle."):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from paths_of(each)


def test_the_list_has_every_path_that_the_core_knows_of_the_car() -> None:
    known = {path for value in vars(vss).values() for path in paths_of(value)}
    assert set(ACTED_ON) == {path for path in known if not _TOLD_ONLY.match(path)}


def test_the_documented_table_is_that_list() -> None:
    text = (ROOT / "dbc" / "README.md").read_text(encoding="utf-8")
    section = text.split("## The paths that the agent acts on", 1)[1].split("\n## ", 1)[0]
    documented = re.findall(r"^\| `(Vehicle[^`]*)` \| \S", section, re.MULTILINE)
    assert sorted(documented) == sorted(ACTED_ON)


def test_the_reference_vehicle_is_not_warned_of() -> None:
    assert load_mapping(REFERENCE).path_warnings() == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Vehicle.TCU.OnCall.IsButonPressed", vss.ON_CALL_BUTTON),
        ("Vehicle.TCU.Oncall.IsButtonPressed", vss.ON_CALL_BUTTON),
        ("Vehicle.TCU.IsButtonPressed", vss.ON_CALL_BUTTON),
        ("Vehicle.Cabin.Door.Row1.DriversSide.IsLocked", vss.DOOR_LOCKS[0]),
        ("Vehicle.Cabin.Doors.Row2.PassengerSide.IsOpen", vss.DOORS_OPEN[3]),
        ("Vehicle.Sped", vss.SPEED_KMH),
    ],
)
def test_a_misspelt_path_is_warned_of_with_what_was_meant(written: str, meant: str) -> None:
    warnings = path_warnings([path for path in ACTED_ON if path != meant] + [written])
    assert f"the agent does not act on {written}: did you mean {meant!r}?" in warnings


@pytest.mark.parametrize(
    "path",
    [
        "Vehicle.Cabin.Door.Row3.DriverSide.IsOpen",
        "Vehicle.Cabin.Door.Row1.DriverSide.Window.IsOpen",
        "Vehicle.Cabin.Door.Row1.DriverSide.IsChildLockActive",
        "Vehicle.Body.FrontController.IsDriverDoorOpen",
        "Vehicle.AverageSpeed",
        "Vehicle.Body.Trunk.Front.IsOpen",
    ],
)
def test_another_path_of_vss_is_nobodys_slip(path: str) -> None:
    assert path_warnings([*ACTED_ON, path]) == ()


def test_a_missing_button_and_missing_locks_and_doors_are_said_with_what_they_cost() -> None:
    button, locks, doors, *_ = path_warnings([vss.SPEED_KMH])
    assert button == f"ON CALL button not mapped ({vss.ON_CALL_BUTTON}): no calls"
    assert "no remote unlock" in locks
    assert "cannot lock again" in doors


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        (vss.SPEED_KMH, "no remote unlock"),
        (vss.USAGE_MODE, "no remote unlock"),
        (vss.LATITUDE, "no position"),
        (vss.LONGITUDE, "no position"),
    ],
)
def test_what_a_service_cannot_do_without_is_said_by_its_name(path: str, cost: str) -> None:
    (said,) = path_warnings([each for each in ACTED_ON if each != path])
    assert said.startswith(f"{path} not mapped: {cost}")


def test_one_lock_and_one_door_are_enough() -> None:
    needed = [vss.SPEED_KMH, vss.USAGE_MODE, vss.LATITUDE, vss.LONGITUDE]
    assert path_warnings([vss.ON_CALL_BUTTON, vss.DOOR_LOCKS[4], vss.DOORS_OPEN[4], *needed]) == ()
