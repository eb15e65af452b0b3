"""A power cut in a guest is one that a careless store cannot hide: what it did not sync is gone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.meta.checkout import ROOT
from tests.skip_policy import is_ci

HAS_GUEST = shutil.which("linux.uml") is not None and shutil.which(
    "dmsetup", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"
)


@pytest.mark.skipif(
    not (HAS_GUEST or is_ci()), reason="no user-mode Linux: `make power-cut` installs it"
)
@pytest.mark.timeout(600)
def test_a_store_that_does_not_sync_is_caught(tmp_path: Path) -> None:
    words = ("3", "3", str(tmp_path), "tests.campaign.mutants", "nothing-synced")

    done = subprocess.run(
        ["scripts/power-cut", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "could not be played" not in done.stdout
    assert "replays accepted: " in done.stdout or "untrue: " in done.stdout
    assert (tmp_path / "lane-3" / "findings.txt").exists()
