"""The key ceremony: who gets what, nothing is overwritten or readable for others, and rotation reaches everybody."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput
from tcu_sim.pki import files
from tcu_sim.pki.ceremony import Plan, initialise, publish_trust, read_trust
from tcu_sim.pki.errors import KeyFileError
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.public import read_roots, read_vehicles
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import EDDSA, generate
from tcu_sim.wire.numbers import Role
from tests.centre.conftest import Play
from tests.centre.town import CAR, Town


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return initialise(tmp_path / "bench", Plan(vehicles=("a", "b")))


def test_a_vehicle_gets_these_files_and_no_others(layout: Layout) -> None:
    for vehicle_id in ("a", "b"):
        names = {path.name for path in layout.vehicle(vehicle_id).iterdir()}
        assert names == {"signing.pem", "secoc.key", "roots.toml", "trust.cbor"}
        assert len((layout.vehicle(vehicle_id) / "secoc.key").read_bytes()) == 16
    secrets = {(layout.vehicle(v) / "secoc.key").read_bytes() for v in ("a", "b")}
    assert len(secrets) == 2


def test_roots_are_written_as_the_agent_reads_them(layout: Layout) -> None:
    table = tomllib.loads((layout.vehicle("a") / "roots.toml").read_text())
    assert table["threshold"] == 2
    assert [set(root) for root in table["root"]] == [{"alg", "public_key"}] * 3
    assert all(len(bytes.fromhex(root["public_key"])) == 33 for root in table["root"])


def test_every_private_file_is_private(layout: Layout) -> None:
    private = [path for path in layout.root.rglob("*") if path.suffix in {".pem", ".key", ".token"}]
    assert len(private) > 20
    for path in private:
        assert path.stat().st_mode & 0o777 == 0o600, path
        assert path.parent.stat().st_mode & 0o077 == 0, path


def test_the_bundle_names_each_role_once_and_the_desks_sealing_key(layout: Layout) -> None:
    trust = read_trust(layout.vehicle("a"), "bench").trust
    assert sorted(record.role for record in trust.keys) == sorted(Role)
    [desk] = [record for record in trust.keys if record.hpke_public_key is not None]
    assert desk.role is Role.THEFT_DESK
    with pytest.raises(WireError):
        read_trust(layout.vehicle("a"), "production")


def test_a_bench_is_never_overwritten(layout: Layout) -> None:
    with pytest.raises(BadInput, match="holds a bench already"):
        initialise(layout.root, Plan(vehicles=("a",)))
    with pytest.raises(KeyFileError, match="there already"):
        files.write_secret(layout.root_key(1), b"")


@pytest.mark.parametrize(
    "plan",
    [
        Plan(vehicles=()),
        Plan(vehicles=("a", "a")),
        Plan(vehicles=("../a",)),
        Plan(vehicles=("a" * 33,)),
        Plan(vehicles=("a",), environment=""),
        Plan(vehicles=("a",), environment="x" * 33),
        Plan(vehicles=("a",), threshold=1),
        Plan(vehicles=("a",), roots=1, threshold=2),
        Plan(vehicles=("a",), roots=9),
    ],
    ids=str,
)
def test_a_wrong_plan_makes_nothing(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(BadInput):
        initialise(tmp_path / "bench", plan)
    assert not (tmp_path / "bench").exists()


def test_a_key_that_others_can_read_is_not_used(layout: Layout) -> None:
    path = layout.service("pin") / "signing.pem"
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="open to others"):
        files.read_signing_key(path)
    path.chmod(0o600)
    assert "private" not in repr(files.read_signing_key(path))


def test_files_that_are_no_keys_are_refused_by_name(layout: Layout, tmp_path: Path) -> None:
    files.write_secret(tmp_path / "junk", b"junk")
    for read in (files.read_signing_key, files.read_hpke_key):
        with pytest.raises(KeyFileError, match="junk"):
            read(tmp_path / "junk")
    with pytest.raises(KeyFileError, match="no X25519"):
        files.read_hpke_key(layout.root_key(1))
    with pytest.raises(KeyFileError, match="neither"):
        files.read_signing_key(layout.service("desk") / "hpke.pem")
    with pytest.raises(KeyFileError, match="cannot be read"):
        files.read_secret(tmp_path / "nothing")
    with pytest.raises(KeyFileError, match="4 bytes instead of 5"):
        files.read_secret(tmp_path / "junk", size=5)
    for read_public in (read_roots, read_vehicles):
        with pytest.raises(KeyFileError):
            read_public(tmp_path / "junk")
        with pytest.raises(KeyFileError, match="not of the form"):
            read_public(_written(tmp_path / "form.toml", "x = 1"))


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_an_ed25519_key_survives_the_disk(tmp_path: Path) -> None:
    key = generate(EDDSA)
    files.write_signing_key(tmp_path / "key.pem", key)
    assert files.read_signing_key(tmp_path / "key.pem").public == key.public


def test_a_new_bundle_reaches_every_party(layout: Layout) -> None:
    old = read_trust(layout.root, "bench").trust
    command = next(record for record in old.keys if record.role is Role.COMMAND)
    publish_trust(layout, replace(old, version=2, revoked=(command.kid,)))
    for directory in [layout.vehicle("b"), *(layout.service(name) for name in SERVICES)]:
        assert read_trust(directory, "bench").trust.revoked == (command.kid,)


def test_one_root_is_not_enough(layout: Layout) -> None:
    text = layout.roots.read_text().replace("threshold = 2", "threshold = 3")
    (layout.vehicle("a") / "roots.toml").write_text(text)
    with pytest.raises(WireError, match="threshold"):
        read_trust(layout.vehicle("a"), "bench")


def test_a_car_behind_in_trust_gets_the_bundle_and_is_not_served(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        trust = town.car.trust.trust
        town.car.trust = replace(town.car.trust, trust=replace(trust, version=0))
        seen = await town.unlock(pin)
        assert (seen.state, "vehicle-behind" in seen.detail) == ("rejected", True)
        assert (
            town.bus.last("trust") == (town.layout.service("command") / "trust.cbor").read_bytes()
        )
        await town.operator.publish_trust(CAR)

    play(story)


def test_the_command_line_makes_and_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = str(tmp_path / "bench")
    assert main(["pki", "init", bench, "--vehicle", "a", "--environment", "lab"]) == 0
    assert main(["pki", "show", bench]) == 0
    assert "vehicle a" in capsys.readouterr().out
    assert main(["pki", "show", bench, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["environment"], facts["threshold"], len(facts["keys"])) == ("lab", 2, 8)
    assert main(["pki", "init", bench, "--vehicle", "a"]) == 2
    assert main(["pki", "show", str(tmp_path / "nothing")]) == 2
    assert "tcu-sim pki init" in capsys.readouterr().err


def test_a_service_without_its_files_does_not_start(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    (layout.service("pin") / "pepper.key").unlink()
    assert main(["centre", "pin", "--dir", str(layout.root), "--broker-port", "1"]) == 2
    assert "pepper.key" in capsys.readouterr().err
