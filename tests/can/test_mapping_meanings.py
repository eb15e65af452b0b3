"""A value that its path cannot have is refused, with the line and what it may be: it would else be unknown for ever."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcu_agent.adapters.mapping.meanings import BOOLEANS, NUMBERS, WORDS
from tcu_agent.adapters.mapping.paths import ACTED_ON
from tcu_agent.core import vss
from tcu_agent.errors import MappingError
from tests.can.vehicle import REFERENCE, mapping_from
from tests.foreign_data import ROOT

TEXT = REFERENCE.read_text(encoding="utf-8")
LOCKS = "values = { Unlocked = false, Locked = true }"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (LOCKS, 'values = { Unlocked = "no", Locked = true }', r"line \d+, signal\[1\].values.Unlocked: .*not 'no'"),
        (LOCKS, "values = { Unlocked = 7, Locked = true }", r"values.Unlocked: .*IsLocked is true or false, not 7"),
        (LOCKS, "values = { Unlocked = 0, Locked = true }", r"values.Unlocked: .*IsLocked is true or false, not 0"),
        (LOCKS, "values = { Unlocked = true, Locked = true }", r"line \d+, signal\[1\].values: no choice means false"),
        (LOCKS, "values = { Unlocked = false }", r"signal\[1\].values: no choice means true"),
        (LOCKS, "", r"signal\[1\].values: key 'values' is missing: .*IsLocked is no number .*0 = false, 1 = true"),
        ('"abandoned"', '"abandonned"', r"values.Abandoned: .*cannot be 'abandonned'.*driving.*mean 'abandoned'"),
        ('Armed = "armed"', "Armed = true", r"values.Armed: .*State cannot be true; it is one of off, armed, trig"),
        ('"TWO_D"', '"2D"', r"values.Fix2D: .*FixType cannot be '2D'; .*TWO_D"),
        ('before = "idle"', 'before = "idel"', r"response.before: .*cannot be 'idel'.*did you mean 'idle'"),
        ('signal = "VehicleSpeed"', 'signal = "VehicleSpeed"\nvalues = { 0 = "stands" }', r"is a number, not 'stands'"),
        ('signal = "VehicleSpeed"', 'signal = "VehicleSpeed"\nvalues = { 0 = false }', r"is a number, not false"),
    ],
)  # fmt: skip
def test_a_value_that_the_path_cannot_have_is_refused(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    mapping_from(tmp_path, TEXT)
    with pytest.raises(MappingError) as caught:
        mapping_from(tmp_path, TEXT.replace(old, new, 1))
    assert re.search(expected, str(caught.value), re.DOTALL), str(caught.value)
    assert str(tmp_path / "map.toml") in str(caught.value)


def test_a_path_that_the_agent_does_not_act_on_may_have_any_value(tmp_path: Path) -> None:
    other = TEXT.replace(vss.DOOR_LOCKS[0], "Vehicle.Cabin.Door.Row3.DriverSide.IsLocked")
    mapping_from(tmp_path, other.replace(LOCKS, 'values = { Unlocked = "no", Locked = "yes" }', 1))


def test_each_path_that_the_agent_acts_on_has_one_kind() -> None:
    assert sorted([*BOOLEANS, *NUMBERS, *WORDS]) == sorted(ACTED_ON)


def test_the_words_are_those_of_the_overlay() -> None:
    text = (ROOT / "dbc" / "tcu_overlay.vspec").read_text(encoding="utf-8")
    allowed = dict(
        re.findall(r"^(Vehicle\.\S+):\n(?:  .*\n)*?  allowed: \[(.*)\]", text, re.MULTILINE)
    )
    overlaid = {path: ", ".join(f'"{word}"' for word in words) for path, words in WORDS.items()}
    del overlaid[vss.FIX_TYPE]  # of VSS itself
    assert overlaid == {path: allowed[path] for path in overlaid}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('dbc = "reference.dbc"', 'dbc = "referense.dbc"', "referense.dbc cannot be read"),
        ("{ Unlocked = false, Locked = true }", "{ Unlocked = false, 7 = true }", "raw value 7 does not fit"),
        ('signal = "LockFrontLeft"', 'signal = "LockFrontLeftx"', "has no signal 'LockFrontLeftx'"),
    ],
)  # fmt: skip
def test_what_the_dbc_lacks_is_one_mistake_and_makes_no_choice_meaningless(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in TEXT
    with pytest.raises(MappingError, match=re.escape(told)) as caught:
        mapping_from(tmp_path, TEXT.replace(old, new, 1))
    assert "mistakes" not in str(caught.value), str(caught.value)


def test_a_choice_that_is_wrong_besides_does_not_hide_that_one_is_missing(tmp_path: Path) -> None:
    text = TEXT.replace("{ Unlocked = false, Locked = true }", "{ 7 = true }", 1)
    with pytest.raises(MappingError, match=r"(?s)7 does not fit.*no choice means false") as caught:
        mapping_from(tmp_path, text)
    assert "2 mistakes" in str(caught.value)
