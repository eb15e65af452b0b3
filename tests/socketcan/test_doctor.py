"""`tcu-agent doctor` on a real bus with a car on it: well, with the wrong database, and with the interface down."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tcu_sim.pki.ceremony import Plan, initialise
from tests.contract.mosquitto import free_port
from tests.doctor.place import SECOC, VIRTUAL
from tests.runtime.files import minimal
from tests.socketcan.bench import Bench, bring_up, take_down
from tests.socketcan.foreign import Candump

REFERENCE: Final = Path(__file__).resolve().parents[2] / "dbc"
LISTEN_S: Final = 3.0
AWAKE_S: Final = "600"
LIMIT_S: Final = 120.0
ALIVE: Final = "402"
"""NmBcm, which the car sends as long as it is awake. Source: dbc/reference.dbc."""
FAR_AWAY: Final = 900
"""Added to each identifier of the reference vehicle, none of its own comes out."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as `--json` has it."""

    level: str
    subject: str
    what: str
    advice: str


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The car's folder, with its keys."""
    return initialise(tmp_path / "bench", Plan(vehicles=["car-1"])).vehicle("car-1")


@pytest.fixture
def car(bench: Bench, dump: Candump, place: Path) -> Iterator[None]:
    """The reference vehicle at the far end, awake, with the SecOC key of its folder."""
    mark = dump.mark()
    program = Path(sys.executable).with_name("tcu-sim")
    where = ("--interface", "socketcan", "--channel", bench.far, "--sleep-after", AWAKE_S)
    secret = ("--secoc-key", str(place / "secoc.key"))
    with subprocess.Popen(
        [program, "vehicle", *where, *secret], stdout=subprocess.DEVNULL
    ) as vehicle:
        try:
            assert dump.wait(lambda: bool(dump.since(mark, bench.agent, ALIVE)))
            yield
        finally:
            vehicle.terminate()


def examined(place: Path, bench: Bench, mapping: Path | None = None) -> tuple[int, list[Found]]:
    """Return the exit status and what is said of the bus. No broker runs: that is another finding."""
    text = minimal(broker_port=free_port()).replace(*SECOC)
    text = text.replace(VIRTUAL, f'interface = "socketcan"\nchannel = "{bench.agent}"')
    if mapping is not None:
        text = text.replace("[can.bus.body]", f'[can]\nmapping = "{mapping}"\n[can.bus.body]')
    (place / "tcu.toml").write_text(text)
    program = Path(sys.executable).with_name("tcu-agent")
    options = ("doctor", "-c", str(place / "tcu.toml"), "--listen-s", str(LISTEN_S), "--json")
    done = subprocess.run(
        [program, *options], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.stdout, done.stderr
    found = [Found(**each) for each in json.loads(done.stdout)]
    return done.returncode, [each for each in found if each.subject == "can.body"]


def failures(found: Sequence[Found]) -> list[str]:
    return [each.what for each in found if each.level == "failure"]


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.usefixtures("car")
def test_a_car_that_sends_what_the_mapping_names_is_well(bench: Bench, place: Path) -> None:
    _, found = examined(place, bench)
    assert not failures(found)
    told = [each.what for each in found]
    assert any(re.match(rf"{bench.agent} is up", each) for each in told), told
    assert any(re.match(r"\d+ frames in \d+ s, \d+ identifiers", each) for each in told), told
    assert any(re.match(r"DoorStatus \(0x1b1\): [\d.]+ a second", each) for each in told), told
    assert any("lost" in each for each in told), told
    assert any(re.match(r"SecocFreshness .* all authentic", each) for each in told), told


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.usefixtures("car")
def test_another_key_than_the_cars_is_recognised(bench: Bench, place: Path) -> None:
    (place / "secoc.key").write_bytes(bytes(range(16)))
    status, found = examined(place, bench)
    assert status == 2
    (wrong,) = failures(found)
    assert re.match(r"SecocFreshness .* wrong key or freshness", wrong)


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.usefixtures("car")
def test_the_database_of_another_vehicle_is_recognised(
    bench: Bench, place: Path, tmp_path: Path
) -> None:
    text = (REFERENCE / "reference.dbc").read_text(encoding="utf-8")
    other = re.sub(
        r"\b(BO_|SG_|VAL_|BO_TX_BU_|SIG_GROUP_) (\d+)\b",
        lambda found: f"{found[1]} {int(found[2]) + FAR_AWAY}",
        text,
    )
    (tmp_path / "reference.dbc").write_text(other, encoding="utf-8")
    mapping = tmp_path / "reference.toml"
    mapping.write_bytes((REFERENCE / "reference.toml").read_bytes())
    status, found = examined(place, bench, mapping)
    assert status == 2
    (wrong,) = [each for each in found if "identifiers are not in the DBC" in each.what]
    assert (wrong.level, "another vehicle" in wrong.advice) == ("failure", True)


@pytest.mark.timeout(LIMIT_S)
def test_an_interface_that_is_down_is_said_with_the_command_that_brings_it_up(
    bench: Bench, place: Path
) -> None:
    take_down(bench.agent)
    try:
        status, found = examined(place, bench)
    finally:
        bring_up(bench.agent)
    assert status == 2
    assert failures(found) == [f"{bench.agent} is down"]
    (down,) = [each for each in found if each.level == "failure"]
    assert f"ip link set {bench.agent} up" in down.advice
    assert not [each.what for each in found if "not one frame" in each.what]
