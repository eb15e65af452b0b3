"""Entering a vehicle's key into the register: the new one counts at once, and the old private key is gone."""

from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.enrolment import enrol
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.public import read_vehicles
from tcu_sim.wire.keys import EDDSA, generate


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return initialise(tmp_path / "bench", Plan(vehicles=("a", "b")))


@pytest.mark.parametrize("alg", [-7, EDDSA])
def test_another_key_takes_the_place_of_the_first(layout: Layout, alg: int) -> None:
    key, other = generate(alg).public, read_vehicles(layout.vehicles).keys["b"]
    assert enrol(layout, "a", key)
    for directory in [layout.root, *(layout.service(name) for name in SERVICES)]:
        assert read_vehicles(directory / "vehicles.toml").keys == {"a": key, "b": other}
    assert not (layout.vehicle("a") / "signing.pem").exists()
    assert (layout.vehicle("b") / "signing.pem").exists()
    assert not enrol(layout, "a", key)


def test_a_new_vehicle_gets_what_every_vehicle_has_but_a_private_key(layout: Layout) -> None:
    assert not enrol(layout, "c", generate().public)
    names = {path.name for path in layout.vehicle("c").iterdir()}
    assert names == {"secoc.key", "roots.toml", "trust.cbor"}
    assert layout.vehicle("c").stat().st_mode & 0o777 == 0o700
    secrets = [(layout.vehicle(name) / "secoc.key").read_bytes() for name in ("a", "b", "c")]
    assert len(set(secrets)) == 3


def test_an_id_that_is_none_changes_nothing(layout: Layout) -> None:
    before = layout.vehicles.read_bytes()
    with pytest.raises(BadInput, match="vehicle id"):
        enrol(layout, "../a", generate().public)
    assert layout.vehicles.read_bytes() == before


def test_the_command_line_enrols(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    key = generate().public
    words = ["pki", "enrol", str(layout.root), "a"]
    assert main([*words, "--public-key", key.raw.hex()]) == 0
    assert f"vehicle a has the key {key.kid.hex()}, and had another" in capsys.readouterr().out
    assert read_vehicles(layout.vehicles).keys["a"] == key
    for wrong in ("zz", "00" * 33, "02" * 31, ""):
        assert main([*words, "--public-key", wrong]) == 2
        assert "public key" in capsys.readouterr().err
