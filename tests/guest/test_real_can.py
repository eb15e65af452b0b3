"""Where `scripts/real-can` runs the tests: on this machine's own CAN only if that can be had without touching it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.foreign_data import ROOT

PYTHON = """#!/bin/sh
echo "python $*" >> "$TOLD"
case "$*" in *AF_CAN*) exit "$NO_CAN" ;; esac
"""
UNSHARE = """#!/bin/sh
echo "unshare $*" >> "$TOLD"
case "$*" in *try0*) exit "$NO_NAMESPACE" ;; esac
"""
IDENTITY = """#!/bin/sh
echo "$USER_ID"
"""
QUIET = "#!/bin/sh\n"
TIMEOUT = """#!/bin/sh
shift
exec "$@"
"""


class Machine:
    """A checkout with nothing but the script, whose every command is a stand-in."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "told"
        self.script = folder / "scripts" / "real-can"
        self.commands = folder / "bin"
        self.script.parent.mkdir()
        shutil.copy(ROOT / "scripts" / "real-can", self.script)
        self._put(folder / ".venv" / "bin" / "python", PYTHON)
        for name, text in {
            "unshare": UNSHARE,
            "id": IDENTITY,
            "modprobe": QUIET,
            "timeout": TIMEOUT,
        }.items():
            self._put(self.commands / name, text)

    def run(self, kind: str, environment: Mapping[str, str]) -> list[str]:
        """Return the commands of the last step: where the tests were started."""
        usual = {"NO_CAN": "0", "NO_NAMESPACE": "0", "USER_ID": "0", "TOLD": str(self.told)}
        path = f"{self.commands}:{os.environ['PATH']}"
        plain = {name: value for name, value in os.environ.items() if name != "TCU_CAN_GUEST"}
        done = subprocess.run(
            [self.script, kind, "-k", "contract"],
            env={**plain, **usual, **environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [line for line in self.told.read_text().splitlines() if "pytest" in line]

    def _put(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_with_can_runs_them_itself_in_a_namespace_of_their_own(machine: Machine) -> None:
    (run,) = machine.run("vcan", {})
    assert run.startswith("unshare --net ")
    assert "ip link set lo up" in run
    assert run.endswith("tests/socketcan -k contract")


@pytest.mark.parametrize(
    ("kind", "environment", "kernel"),
    [
        ("vcan", {"NO_CAN": "1"}, "uml"),
        ("vcan", {"NO_NAMESPACE": "1"}, "uml"),
        ("vcan", {"USER_ID": "1000"}, "uml"),
        ("vcan", {"TCU_CAN_GUEST": "1"}, "uml"),
        ("kvaser", {}, "qemu"),
    ],
)
def test_all_others_start_a_guest(
    machine: Machine, kind: str, environment: Mapping[str, str], kernel: str
) -> None:
    (run,) = machine.run(kind, environment)
    assert run.startswith(f"python -m scripts.guest --kernel {kernel} ")
    assert f"--env TCU_CAN_BENCH={kind}" in run
    assert run.endswith("tests/socketcan -k contract")
