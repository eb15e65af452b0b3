"""`tcu-agent check` hides nothing behind something else, and sees what `run` would see."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.state_directory import prepare_directory
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.cli import assembly
from tcu_agent.cli.check import examine
from tcu_agent.config import REFERENCE_MAPPING, load
from tcu_agent.core.durable.records import TRUST
from tcu_agent.errors import BadInput, NoStateError
from tcu_sim.pki.ceremony import Plan, initialise
from tests.runtime.files import minimal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the keys, roots and trust of a bench, and a tcu.toml that uses them."""
    vehicle = initialise(tmp_path / "bench", Plan(vehicles=["car-1"])).vehicle("car-1")
    text = minimal().replace('roots = "roots.toml"', 'roots = "roots.toml"\nbundle = "trust.cbor"')
    text = text.replace("[trust]", '[keys.secoc]\ncentral-locking = "secoc.key"\n[trust]')
    (vehicle / "tcu.toml").write_text(text)
    return vehicle


def edit(folder: Path, line: str, by: str) -> None:
    text = (folder / "tcu.toml").read_text()
    assert line in text
    (folder / "tcu.toml").write_text(text.replace(line, by))


def problems(folder: Path) -> list[str]:
    return examine(folder / "tcu.toml").problems


def break_all_that_is_named(folder: Path) -> list[str]:
    """Break every file that the configuration names; return what must be said of each."""
    edit(
        folder,
        "[keys]",
        'password_file = "none.password"\n[mqtt.tls]\nca = "none.pem"\n[keys]',
    )
    edit(folder, "[can.bus.body]", '[can]\nmapping = "none.toml"\n[can.bus.body]')
    for name in ("signing.pem", "secoc.key", "trust.cbor"):
        (folder / name).unlink()
    (folder / "state").mkdir(mode=0o755)
    said = ("none.toml", "secoc.key", "signing.pem", "none.password", "none.pem", "trust.cbor")
    return [f"{folder}/{name}: " for name in (*said, "state")]


@pytest.mark.parametrize(
    ("line", "by", "also"),
    [
        ("schema = 1", "schema = 1", []),
        ("roots.toml", "no-roots.toml", ["no-roots.toml: cannot be read"]),
        ('id = "car-1"', 'id = "no blanks"', ["vehicle.id: 'no blanks' does not match"]),
        ("port = 1883", "port = 0", ["mqtt.port: 0 is not in 1..65535"]),
        ("[state]", "[unlock]\nfresh_s = 99\n[state]", ["unlock.fresh_s"]),
    ],
)
def test_no_problem_hides_another(folder: Path, line: str, by: str, also: list[str]) -> None:
    expected = break_all_that_is_named(folder)
    edit(folder, line, by)
    found = problems(folder)
    for text in (*expected, *also):
        assert [text in each for each in found].count(True) == 1, (text, found)
    assert len(found) == len(expected) + len(also)


@pytest.mark.parametrize("has_file", [False, True])
def test_a_state_directory_that_run_refuses_is_a_problem(folder: Path, has_file: bool) -> None:
    (folder / "state").mkdir(mode=0o755)
    if has_file:
        (folder / "state" / "state.sqlite").write_bytes(b"")
    (found,) = problems(folder)
    assert found.endswith("the state directory is open to others (mode 0755) (chmod 700)")


def a_file(folder: Path) -> None:
    (folder / "state").write_text("")


def below_a_file(folder: Path) -> None:
    (folder / "var").write_text("")
    (folder / "var").chmod(0o700)  # so that looking at its rights alone would not show it
    edit(folder, 'directory = "state"', 'directory = "var/lib/tcu"')


def a_link_to_nothing(folder: Path) -> None:
    (folder / "state").symlink_to("nowhere")


@pytest.mark.parametrize(
    ("stand_in", "said"),
    [
        (a_file, "state: is a file, no directory (see [state] directory)"),
        (below_a_file, "var is a file, no directory (see [state] directory)"),
        (a_link_to_nothing, "state: is a link to nothing (see [state] directory)"),
    ],
)
def test_what_stands_where_the_state_directory_should_be_is_named(
    folder: Path, stand_in: Callable[[Path], None], said: str
) -> None:
    stand_in(folder)
    (found,) = problems(folder)
    assert found.endswith(said)
    with pytest.raises(BadInput) as at_run:
        prepare_directory(load(folder / "tcu.toml").state_directory)
    assert str(at_run.value) == found


def test_a_state_directory_that_nobody_can_make_is_a_problem_and_not_called_damaged(
    folder: Path,
) -> None:
    edit(folder, 'directory = "state"', 'directory = "/proc/x"')
    (found,) = problems(folder)
    assert found.startswith("/proc/x: cannot be made: ")
    assert "ON CALL only" not in found
    with pytest.raises(NoStateError, match="cannot be made") as at_run:
        assembly.open_state(Path("/proc/x")).load()
    assert str(at_run.value) == found


def test_looking_whether_the_state_directory_can_be_made_leaves_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert problems(folder) == []
    assert sorted(folder.iterdir()) == before


KEY = bytes.fromhex("1f" * 16)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (KEY[:15], "15 bytes; a SecOC key has 16 (see"),
        (KEY + b"\n", "16 bytes and the end of a line"),
        (KEY.hex().encode(), "the key in hex digits"),
        (b"0x" + KEY.hex(" ").upper().encode() + b"\r\n", "the key in hex digits"),
        (base64.b64encode(KEY) + b"\n", "the key in base64"),
        (b"-----BEGIN PRIVATE KEY-----\nMIGH\n", "a PEM file"),
        (KEY.hex().encode()[:-2], "text of 30 bytes"),
        (b"correct horse battery staple\n", "text of 29 bytes"),
        (bytes(range(200, 232)), "32 bytes; a SecOC key has 16 (see"),
        (b"", "0 bytes; a SecOC key has 16 (see"),
    ],
)
def test_a_secoc_key_in_another_form_is_told_by_its_form_and_never_shown(
    folder: Path, content: bytes, said: str
) -> None:
    (folder / "secoc.key").write_bytes(content)
    (found,) = problems(folder)
    assert f"{folder}/secoc.key: {said}" in found
    assert found.endswith("(see [keys.secoc] central-locking)")
    assert "1f" not in found.lower().removeprefix(str(folder).lower())
    assert "horse" not in found


@pytest.mark.parametrize(
    ("line", "by", "said"),
    [
        ('"signing.pem"', '"nope.pem"', "nope.pem: No such file or directory (see [keys] signing; `tcu-agent key crea"),
        ('"secoc.key"', '"nope.key"', "nope.key: No such file or directory (see [keys.secoc] central-locking)"),
        ('"secoc.key"', '"roots.toml"', "(see [keys.secoc] central-locking)"),
        ("[can.bus.body]", '[can]\nmapping = "nope"\n[can.bus.body]', "No such file or directory (see [can] mapping)"),
        ('"roots.toml"', '"."', "cannot be read: Is a directory (see [trust] roots: "),
        ("[keys]", 'password_file = "nope"\n[keys]', "nope: No such file or directory (see [mqtt] password_file)"),
        ("[keys]", '[mqtt.tls]\nca = "nope.pem"\n[keys]', "(see [mqtt.tls] ca)"),
        ('"trust.cbor"', '"signing.pem"', "signing.pem: is a PEM file, no trust bundle; one comes from the centre"),
        ('"trust.cbor"', '"roots.toml"', "roots.toml: is no trust bundle: "),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_its_setting(
    folder: Path, line: str, by: str, said: str
) -> None:
    edit(folder, line, by)
    (found,) = problems(folder)
    assert said in found


def test_a_misspelt_secoc_key_names_file_section_and_what_was_meant(folder: Path) -> None:
    edit(folder, "central-locking = ", "central-lockin = ")
    (found,) = problems(folder)
    assert f"{REFERENCE_MAPPING}: the mapping names the SecOC key 'central-locking'" in found
    assert "did you mean 'central-lockin'?; see [keys.secoc] in tcu.toml" in found


@pytest.mark.parametrize(
    ("line", "by", "said"),
    [
        ("schema = 1", 'schema = "1"', "schema: must be a whole number, not a text"),
        ("schema = 1", "schema = 2", "schema: this agent reads schema 1, not 2"),
        ('[can.bus.body]\ninterface = "slcan"\nchannel = "body"\n', "", "can.bus: no CAN bus is configured"),
        ('interface = "slcan"', 'interface = ""', "interface: is empty"),
        ('[vehicle]\n', '[unlock]\nchallenges_max = 0\n[vehicle]\n', "unlock.challenges_max"),
        ('signing = "signing.pem"\n', "", "keys.signing: is missing"),
        ('id = "car-1"', "id = 5", "vehicle.id: must be a text"),
        ('roots = "roots.toml"\nbundle = "trust.cbor"', "roots = 5", "trust.roots: must be a text"),
        ("[state]", '[board]\nsuspend_command = ["systemctl", "suspend"]\n[state]', "suspend_command: must be a text"),
        ("[state]", '[board]\nsuspend_command = ""\n[state]', "suspend_command: is empty"),
        ("[state]", "[unlock]\nchallenges_max = -1\n[state]", "challenges_max: -1 is not in 1..16"),
        ("[can.bus.body]\n", '[can.bus.body]\nbitrate = "500k"\n', "bitrate: must be a whole number, not a text"),
        ("[can.bus.body]\n", "[can.bus.body]\nbitrate = 5\n", "bitrate: 5 is not in 10000..1000000"),
        ("port = 1883", "port = 1883\n[mqtt.tls]\nca = 5", "mqtt.tls.ca: must be a text"),
        ('host = "127.0.0.1"', 'host = "b.example"\ntls = {}', "mqtt.tls.ca: is missing"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem(folder: Path, line: str, by: str, said: str) -> None:
    edit(folder, 'interface = "virtual"', 'interface = "slcan"')
    edit(folder, line, by)
    (found,) = problems(folder)
    assert said in found


def test_each_number_of_a_section_that_is_out_of_its_range_is_told(folder: Path) -> None:
    wrong = "[unlock]\nrelock_after_s = 5\nfresh_s = 99\nstatus_timeout_s = 9999\n[on_call]\nhang_up_s = 0\n"
    edit(folder, "[state]", f"{wrong}[state]")
    found = problems(folder)
    for text in ("relock_after_s: 5", "fresh_s: 99", "status_timeout_s: 9999", "hang_up_s: 0"):
        assert [f"{text}.0 is not in" in each for each in found].count(True) == 1, (text, found)
    assert len(found) == 4


def test_each_bus_that_only_one_of_configuration_and_mapping_has_is_told(folder: Path) -> None:
    edit(
        folder,
        "[can.bus.body]",
        '[can.bus.comfort]\ninterface = "virtual"\nchannel = "x"\n[can.bus.bdy]',
    )
    (found,) = problems(folder)
    for name, has, lacks in (
        ("bdy", "configuration", "mapping"),
        ("body", "mapping", "configuration"),
        ("comfort", "configuration", "mapping"),
    ):
        assert f"bus {name!r} is in the {has} and not in the {lacks}" in found


@pytest.mark.parametrize("besides", ["", "wrong = 1\n"])
def test_each_file_of_tls_that_is_missing_is_told(folder: Path, besides: str) -> None:
    files = {"ca": "a.pem", "certificate": "b.pem", "key": "c.pem"}
    lines = "".join(f'{name} = "{file}"\n' for name, file in files.items())
    edit(folder, "[keys]", f"[mqtt.tls]\n{lines}{besides}[keys]")
    found = problems(folder)
    for name, file in files.items():
        said = f"{folder / file}: No such file or directory (see [mqtt.tls] {name})"
        assert found.count(said) == 1, found
    assert len(found) == len(files) + bool(besides)


def test_a_bundle_for_another_environment_names_the_configured_one(folder: Path) -> None:
    edit(folder, 'environment = "bench"', 'environment = "production"')
    (found,) = problems(folder)
    assert "the configured environment is 'production'" in found
    assert "signed for another one, see [vehicle] environment" in found


def with_state(folder: Path, stored: Mapping[str, bytes]) -> None:
    state = SqliteState(folder / "state")
    state.commit(puts=stored)
    state.close()


def another_environment(folder: Path) -> None:
    edit(folder, 'environment = "bench"', 'environment = "production"')


def other_roots(folder: Path) -> None:
    other = initialise(folder / "other", Plan(vehicles=["car-1"])).vehicle("car-1")
    edit(folder, '"roots.toml"', f'"{other}/roots.toml"')


@pytest.mark.parametrize("change", [another_environment, other_roots])
def test_what_the_stored_trust_is_not_for_is_no_damage_of_the_state(
    folder: Path, change: Callable[[Path], None]
) -> None:
    with_state(folder, {TRUST: (folder / "trust.cbor").read_bytes()})
    assert problems(folder) == []
    change(folder)
    of_bundle, of_state = problems(folder)
    assert "trust.cbor" in of_bundle
    assert f"{folder}/state: the trust bundle that is stored is for other roots or" in of_state
    assert "new enrolment" not in of_state


def test_a_stored_trust_that_is_none_is_damage(folder: Path) -> None:
    with_state(folder, {TRUST: b"no bundle"})
    (found,) = problems(folder)
    assert "the record 'trust' cannot be read" in found
    assert "new enrolment" in found


@pytest.mark.parametrize(
    ("kind", "setting", "hint"),
    [
        ("IsOpen", "unlock.relock: the agent can lock again only", 'set relock = "vehicle" or'),
        ("IsLocked", "vehicle.services: unlock is offered", "list the services without unlock"),
        ("Speed", "the mapping has no Vehicle.Speed", "list the services without unlock"),
        ("UsageMode", "the mapping has no Vehicle.UsageMode", "list the services without unlock"),
        ("Latitude", "no Vehicle.CurrentLocation.Latitude", "list the services without position"),
        ("Longitude", "no Vehicle.CurrentLocation.Longitude", "list the services without position"),
    ],
)
def test_a_mapping_without_what_a_service_needs_says_which_setting_to_mend(
    folder: Path, kind: str, setting: str, hint: str
) -> None:
    text = REFERENCE_MAPPING.read_text().replace(
        '"reference.dbc"', f'"{REFERENCE_MAPPING.parent}/reference.dbc"'
    )
    head, *signals = text.split("[[signal]]\n")
    tail = signals[-1]
    kept = [each for each in signals[:-1] if f".{kind}" not in each]
    (folder / "own.toml").write_text("[[signal]]\n".join([head, *kept, tail]))
    edit(folder, "[can.bus.body]", '[can]\nmapping = "own.toml"\n[can.bus.body]')
    (found,) = problems(folder)
    assert setting in found
    assert hint in found
