"""What a newcomer types first: `make help`, and set-up with an interpreter that does not do."""

import os
import re
import subprocess
from pathlib import Path

from tests.meta.checkout import ROOT


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert {"setup", "demo", "test", "check"} <= targets
    assert set(re.findall(r"^  make (\S+)", shown, re.MULTILINE)) == targets


def test_setup_names_the_interpreter_that_does_not_do() -> None:
    result = subprocess.run(
        ["scripts/setup"],
        cwd=ROOT,
        env=os.environ | {"PYTHON": "/bin/false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == "setup: PYTHON=/bin/false is no Python >= 3.11.\n"
    assert not result.stdout


def test_setup_says_what_to_do_where_there_is_no_python(tmp_path: Path) -> None:
    result = subprocess.run(
        ["/bin/bash", "scripts/setup"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("setup: no Python >= 3.11 found")
    assert "apt-get install python3" in result.stderr
