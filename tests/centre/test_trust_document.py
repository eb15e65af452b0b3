"""docs/trust.md: whoever types its commands in its order gets through. Without OpenSC, a few lines stand in for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tcu_sim.pki.ceremony import read_trust
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_roots, read_vehicles
from tcu_sim.pki.soft_token import find_module
from tcu_sim.wire.numbers import Role
from tests.contract.tokens import needs_softhsm
from tests.meta.checkout import ROOT

DOCUMENT = ROOT / "docs" / "trust.md"
DEBIANS = "/usr/lib/softhsm/libsofthsm2.so"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
STAND_IN = f"""#!{sys.executable}
import argparse, os, pkcs11
parser = argparse.ArgumentParser()
for name in "module token-label pin mechanism label input-file output-file".split():
    parser.add_argument("--" + name, required=True)
parser.add_argument("--login", action="store_true", required=True)
parser.add_argument("--sign", action="store_true", required=True)
args = parser.parse_args()
token = pkcs11.lib(args.module).get_token(token_label=args.token_label)
with token.open(user_pin=os.environ[args.pin.removeprefix("env:")]) as session:
    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=args.label)
    data = open(args.input_file, "rb").read()
    open(args.output_file, "wb").write(key.sign(data, mechanism=pkcs11.Mechanism[args.mechanism]))
"""


def commands() -> str:
    return "\n".join(BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))


def path_of(folder: Path) -> str:
    """Return a PATH with this environment's commands, and with what signs in an HSM."""
    folder.mkdir()
    if shutil.which("pkcs11-tool") is None:
        (folder / "pkcs11-tool").write_text(STAND_IN)
        (folder / "pkcs11-tool").chmod(0o755)
    return f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"


@needs_softhsm
def test_its_commands_lead_where_it_says(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands().replace(DEBIANS, str(find_module()))],
        cwd=here,
        env={**os.environ, "PATH": path_of(tmp_path / "bin")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    bench, plant = Layout(here / "bench"), Layout(here / "plant")
    after = read_trust(bench.vehicle("car-1"), "bench").trust
    assert (after.epoch, after.version, len(after.keys), len(after.revoked)) == (2, 1, 4, 1)
    assert not (bench.vehicle("car-1") / "signing.pem").exists()
    assert len(read_vehicles(bench.vehicles).keys) == 1
    rotated = read_trust(plant.vehicle("car-1"), "production").trust
    assert (rotated.epoch, rotated.version) == (1, 3)
    first, second, third = ((here / f"root-{n}.pub").read_text().strip() for n in (1, 2, 3))
    assert {key.raw.hex() for key in read_roots(plant.roots).keys} == {second, third}
    assert first not in (plant.vehicle("car-1") / "roots.toml").read_text()
    assert [record.role for record in rotated.keys].count(Role.THEFT_DESK) == 2
    assert not (plant.root / "roots").exists()


def test_no_command_goes_unseen() -> None:
    """Every command that the document shows in a block is one that the test above runs."""
    fences = re.findall(r"^```(\w*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences) == {"sh", ""}
    for word in ("init", "enrol", "rotate", "switch", "retire", "revoke", "epoch", "combine"):
        assert f"tcu-sim pki {word} " in commands()


@pytest.mark.parametrize(("file", "name"), TEST.findall(DOCUMENT.read_text(encoding="utf-8")))
def test_every_test_that_it_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
