"""A wrong mapping is refused with the file, the line, the key, the cause and a near miss; a right one is typed."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import Placeholder
from tcu_agent.errors import MappingError
from tests.can.vehicle import REFERENCE, mapping_from
from tests.foreign_data import ROOT

TEXT = REFERENCE.read_text(encoding="utf-8")
SMALL = """schema = 1
[bus.body]
dbc = "reference.dbc"

[[signal]]
path = "Vehicle.Speed"
message = "VehicleMotion"
signal = "VehicleSpeed"

[[signal]]
path = "Vehicle.Body.Alarm.State"
message = "AlarmStatus"
signal = "AlarmState"
values = { Off = "off", 1 = "armed", 0x2 = "triggered" }
invalid = ["Invalid"]
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("schema = 1", "schema = 2", "line 1, schema: schema 2 is unknown"),
        ("schema = 1", "", "schema: key 'schema' is missing"),
        ("schema = 1", "schema = 1\ncolour = 3", "line 2, colour: unknown key 'colour'"),
        ("schema = 1", "schema = true", "schema: schema True is unknown"),
        ('"reference.dbc"', '"missing.dbc"', "line 3, bus.body.dbc: .*missing.dbc cannot be read: No such file"),
        ('"reference.dbc"', "3", "line 3, bus.body.dbc: must be a text, not 3"),
        ("[bus.body]", "[buss.body]", "no bus"),
        ("[bus.body]", "[bus.body]\nasleep_after_s = 2", "line 3, bus.body.asleep_after_s: unk.*'asleep_after_ms'"),
        ("[bus.body]", "[bus.body]\nasleep_after_ms = 2.5", "line 3, bus.body.asleep_after_ms: must be a whole number"),
        ('"VehicleMotion"', '"VehicleMotoin"', r"line 7, signal\[0\].message: .*Motoin' is not in .*'VehicleMotion'"),
        ('"VehicleSpeed"', '"Speed"', r"line 8, signal\[0\].signal: .* has no signal 'Speed' .*'VehicleSpeed'"),
        ('path = "Vehicle.Speed"', 'path = "Speed"', r"line 6, signal\[0\].path: 'Speed' is no VSS path"),
        ('path = "Vehicle.Speed"\n', "", r"line 5, signal\[0\].path: key 'path' is missing"),
        ('"Vehicle.Speed"', '"Vehicle.Body.Alarm.State"', r"line 11, signal\[1\].path: path .* is mapped twice"),
        ("Off =", "Of =", r"line 14, signal\[1\].values.Of: signal 'AlarmState' has no value 'Of' .*'Off'"),
        ("0x2 =", "0x9 =", r"line 14, signal\[1\].values.0x9: raw value 9 does not fit .*\(0 to 3\)"),
        ('["Invalid"]', '["Bad"]', r"line 15, signal\[1\].invalid: .*has no value 'Bad'"),
        ('["Invalid"]', '"Invalid"', r"line 15, signal\[1\].invalid: must be a list"),
        ('Off = "off"', "Off = []", r"signal\[1\].values.Off: must be true, false, a number or a text"),
        ('["Invalid"]', '["Off"]', r"line 15, signal\[1\].invalid: Off stands in 'values' too"),
        ('["Invalid"]', '[2]\ntransitional = [0]', r"line 16, signal\[1\].transitional: Off stands in 'values' too"),
        ('["Invalid"]', '["Invalid"]\ntransitional = [3]', r"transitional: Invalid stands in 'invalid' too"),
        ('["Invalid"]', '["Invalid"]\nfactor = 2.0', r"line 16, signal\[1\].factor: .*no effect beside 'values'"),
        ('["Invalid"]', '["Invalid"]\nfactor = nan', r"line 16, signal\[1\].factor"),
        ('["Invalid"]', '["Invalid"]\ntimeout_ms = -1', r"line 16, signal\[1\].timeout_ms: must be a whole number"),
        ('["Invalid"]', '["Invalid"]\nbus = "bdoy"', r"line 16, signal\[1\].bus: bus 'bdoy' is not defined .*'body'"),
        ('"VehicleMotion"\nsignal = "VehicleSpeed"', '"NmTcu"\nsignal = "TcuNodeId"', "no cycle time"),
        ("[[signal]]", "[[sginal]]", "unknown key 'sginal' .*'signal'"),
        ("[bus.body]", "[bus.body", "is not valid TOML: .*line 2"),
        ('dbc = "', r'dbc = "\u0000', r"bus\.body\.dbc: has a NUL character"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    mapping_from(tmp_path, SMALL)
    with pytest.raises(MappingError) as caught:
        mapping_from(tmp_path, SMALL.replace(old, new, 1))
    assert re.search(expected, str(caught.value), re.DOTALL), str(caught.value)
    assert str(tmp_path / "map.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[bus.body.e2e.OnCallButton]", "[bus.body.e2e.OnCalButton]", "message 'OnCalButton' is not in the DBC"),
        ("profile = 1", "profile = 3", "bus.body.e2e.OnCallButton.profile: profile 3 is not known"),
        ("profile = 1", "profile = 4", "no room for the header of profile 4"),
        ("profile = 1", "profile = 2", "takes a list of 16 numbers"),
        ("data_id = 0x01A0", "data_id = 65536", "data_id: must be a whole number from 0 to 65535"),
        ("data_id = 0x01A0", 'data_id = 1\ndata_id_mode = "lo"', "profile 1 has no mode 'lo'"),
        ("max_counter_delta = 3", "max_counter_delta = 15", "max_counter_delta: must be a whole number from 1 to 14"),
        ("freshness_bits = 8", "freshness_bits = 12", "must be a multiple of 8, not 12"),
        ("mac_bits = 24", "mac_bits = 56", "has 8 bytes: no room for a payload"),
        ('resync_signal = "LastFreshness"', "", "key 'resync_signal' is missing"),
        ('resync_message = "SecocFreshness"', 'resync_message = "Secoc"', "message 'Secoc' is not in the DBC"),
        ("TcuNodeId = 1,", "TcuNodeId = 256,", "raw value 256 does not fit"),
        ("repeat_ms = 100", "repeat_ms = 0", "bus.body.wake.repeat_ms: must be a whole number"),
        ("[command.unlock]", "[command.unlok]", "command 'unlok' is unknown .*'unlock'"),
        ('CommandCounter = "{counter}"', 'CommandCounter = "{count}"', "command 'unlock' has no {count} .*{counter}"),
        ('LockCommand = "UnlockAll"', 'LockCommand = "Unlock"', "has no value 'Unlock' .*'UnlockAll'"),
        ('CommandCounter = "{', 'CommandCountr = "{', r"signals.CommandCountr: .*has no signal .*'CommandCounter"),
        ('OnCallLamp = "{lamp}"', 'OnCallLamp = "{counter}"', "command 'status' has no {counter}"),
        ('pulsing = "Pulsing"', "", "command.status.values.lamp.pulsing: key 'pulsing' is missing"),
        ("[command.status.values.lamp]", "[command.status.values.lmp]", "table 'values.lamp' is missing"),
        ('message = "CentralLockCommand"', 'message = "CentralLockCommand"\ncycle_ms = 10', "never in a cycle"),
        ('echo = "CommandCounterEcho"', 'echo = "Echo"', "response.echo: .*has no signal 'Echo'"),
        ('before = "idle"', "", "response.before: must be"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_whole_reference_is_named(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    mapping_from(tmp_path, TEXT)
    with pytest.raises(MappingError) as caught:
        mapping_from(tmp_path, TEXT.replace(old, new, 1))
    assert re.search(expected, str(caught.value), re.DOTALL), str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        SMALL.replace("VehicleSpeed", "Sped")
        .replace("AlarmStatus", "Alarm")
        .replace("schema = 1", "schema = 1\nx = 1")
    )
    with pytest.raises(MappingError) as caught:
        mapping_from(tmp_path, text)
    told = str(caught.value)
    assert "3 mistakes" in told
    assert all(word in told for word in ("Sped", "'Alarm'", "unknown key 'x'"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"\xff\xfe", "is not UTF-8 text"), (None, "cannot be read: No such file")],
)
def test_a_file_that_is_no_text_is_refused(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "map.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MappingError, match=expected):
        load_mapping(file)


def test_a_dbc_that_is_none_is_refused(tmp_path: Path) -> None:
    mapping_from(tmp_path, SMALL)
    (tmp_path / "reference.dbc").write_text("BO_ what is this\n")
    with pytest.raises(MappingError, match=r"bus\.body\.dbc: .*no database that cantools can load"):
        load_mapping(tmp_path / "map.toml")


def test_a_dbc_of_the_command_line_takes_the_place_of_the_named_one(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text(SMALL.replace("reference.dbc", "elsewhere.dbc"))
    assert (
        load_mapping(file, dbc=ROOT / "dbc" / "reference.dbc").buses["body"].dbc.name
        == "reference.dbc"
    )


def test_several_buses(tmp_path: Path) -> None:
    two = SMALL.replace("[bus.body]", '[bus.other]\ndbc = "reference.dbc"\n[bus.body]')
    with pytest.raises(
        MappingError,
        match=r"signal\[0\].bus: key 'bus' is missing \(there are several: other, body",
    ):
        mapping_from(tmp_path, two)
    named = two.replace("path =", 'bus = "other"\npath =')
    mapping = mapping_from(tmp_path, named)
    assert len(mapping.bus_signals("other")) == 2
    assert mapping.paths("body") == ()
    with pytest.raises(MappingError, match="2 buses"):
        load_mapping(tmp_path / "map.toml", dbc=ROOT / "dbc" / "reference.dbc")


@pytest.mark.parametrize("others", ["", '[bus.other]\ndbc = "reference.dbc"\n'])
def test_signals_of_a_bus_without_its_database_are_not_blamed(tmp_path: Path, others: str) -> None:
    text = SMALL.replace('dbc = "reference.dbc"', 'dbc = "gone.dbc"')
    named = text.replace("[bus.body]", f"{others}[bus.body]").replace(
        "path =", 'bus = "body"\npath ='
    )
    with pytest.raises(MappingError, match=r"bus\.body\.dbc: .*gone.dbc cannot be read") as caught:
        mapping_from(tmp_path, named)
    assert "mistakes" not in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[bus.body.wake]", "[bus.bdy.wake]", ["bus.bdy.dbc: key 'dbc' is missing"]),
        ("[bus.body]\n", "[bus.bdy]\n", ["bus.body.dbc: key 'dbc' is missing"]),
        ('OnCallLamp = "{', 'OCallLamp = "{', ["signals.OCallLamp: message 'TcuStatus' has no signal 'OCallLamp'"]),
        ("pulsing =", "plsing =", ["lamp.pulsing: key 'pulsing' is missing", "unknown key 'plsing'"]),
    ],
)  # fmt: skip
def test_a_slip_is_told_once_and_what_is_right_is_not_blamed(
    tmp_path: Path, old: str, new: str, told: list[str]
) -> None:
    assert old in TEXT
    with pytest.raises(MappingError) as caught:
        mapping_from(tmp_path, TEXT.replace(old, new, 1))
    assert all(each in str(caught.value) for each in told), str(caught.value)
    assert max(1, str(caught.value).count("\n")) == len(told), str(caught.value)


def test_numbers_and_names_of_choices_give_raw_values(tmp_path: Path) -> None:
    alarm = mapping_from(tmp_path, SMALL).signals[1]
    assert alarm.values == {0: "off", 1: "armed", 2: "triggered"}
    assert alarm.invalid == {3}


def test_without_a_timeout_five_cycles_count(tmp_path: Path) -> None:
    speed, alarm = mapping_from(tmp_path, SMALL).signals
    assert (speed.timeout_s, alarm.timeout_s) == (0.5, 1.0)


def test_placeholders_are_typed() -> None:
    commands = load_mapping(REFERENCE).commands
    assert commands["unlock"].signals["CommandCounter"] is Placeholder.COUNTER
    assert commands["status"].values[Placeholder.LAMP]["pulsing"] == 1


def test_what_is_less_safe_is_warned_of(tmp_path: Path) -> None:
    bare = re.sub(r"\[bus\.body\.(e2e|secoc)\.\w+\]\n(?:[\w ]+=.*\n)+", "", TEXT)
    bare = bare.replace("timeout_ms = 300", "timeout_ms = 0")
    warnings = "\n".join(mapping_from(tmp_path, bare).warnings())
    assert "'unlock': message 'CentralLockCommand' on bus 'body' has no SecOC" in warnings
    assert "message 'DoorLockStatus' on bus 'body' has no E2E" in warnings
    assert "IsButtonPressed never gets stale" in warnings


def test_slow_unpacking_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitstruct.c", None)
    assert "many times slower" in load_mapping(REFERENCE).warnings()[0]


def test_a_number_whose_raw_values_have_names_is_remarked(tmp_path: Path) -> None:
    text = re.sub(r"values = .*\ninvalid = .*\n", "", SMALL).replace("Alarm.State", "Alarm.Raw")
    assert (
        "0 (Off), 1 (Armed), 2 (Triggered), 3 (Invalid)"
        in mapping_from(tmp_path, text).warnings()[0]
    )


@pytest.mark.parametrize("name", ["tesla_model3.toml", "tesla_model3_full.toml"])
def test_an_example_without_its_dbc_says_which_file_is_missing(name: str) -> None:
    with pytest.raises(MappingError, match=r"line \d+, bus\.vehicle\.dbc: .*cannot be read"):
        load_mapping(ROOT / "examples" / name)


LINES = TEXT.splitlines()
JUNK = st.sampled_from(
    [
        "",
        "x",
        '"',
        "= 1",
        "[",
        "[[signal]]",
        "[bus]",
        "-1",
        "true",
        "[]",
        "{}",
        "1e400",
        "nan",
        "inf",
        '"{counter}"',
    ]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1), st.sampled_from(["drop", "swap", "value", "key"]), JUNK
        ),
        min_size=1,
        max_size=4,
    )
)
def test_damage_to_a_mapping_gives_a_mapping_error_or_a_mapping(
    tmp_path: Path, damage: list[tuple[int, str, str]]
) -> None:
    lines = list(LINES)
    for number, how, junk in damage:
        key, _, value = lines[number].partition("=")
        lines[number] = {
            "drop": "",
            "swap": junk,
            "value": f"{key}= {junk}",
            "key": f"{junk} ={value}",
        }[how]
    try:
        mapping_from(tmp_path, "\n".join(lines))
    except MappingError as error:
        refused = str(error)
    else:
        refused = "map.toml is accepted"
    assert "map.toml" in refused
