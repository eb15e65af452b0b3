"""What docs/enrolment.md tells a person to type works as it stands there; so does the example configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tcu_agent.config import load
from tcu_agent.enrolment.enrolling import fitting
from tests.runtime.files import ROOTS

ROOT = Path(__file__).parents[2]
FIRST_LINE = "    . .venv/bin/activate\n"


def block() -> str:
    """Return the commands, without their indentation."""
    text = (ROOT / "docs" / "enrolment.md").read_text(encoding="utf-8")
    lines = text[text.index(FIRST_LINE) :].split("\n\n")[0].splitlines()
    assert all(line.startswith("    ") for line in lines)
    return "\n".join(line[4:] for line in lines) + "\n"


def test_the_block_runs_as_it_is_written(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    binaries = clone / ".venv" / "bin"
    binaries.mkdir(parents=True)
    # Whatever environment the tests run in stands for the one that `make setup` makes.
    (binaries / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", block()],
        cwd=clone,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert said.index("enrolled") < said.index("nothing to do")


def test_the_example_names_what_its_own_enrolment_installs(tmp_path: Path) -> None:
    (tmp_path / "roots.toml").write_text(ROOTS)
    file = tmp_path / "tcu.toml"
    shutil.copy(ROOT / "deploy" / "tcu.example.toml", file)
    assert fitting(load(file)).renew_before_days == 30
