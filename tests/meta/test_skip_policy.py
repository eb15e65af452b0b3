"""In CI a skipped test fails the run; elsewhere it is told and passes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.checkout import ROOT

SKIPPED_TEST = "import pytest\ndef test_it(): pytest.skip('no broker here')\n"
SKIPPED_MODULE = "import pytest\npytest.skip('no CAN here', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_it(): assert 0\n"
PASS = "def test_it(): pass\n"
FAILURE = "def test_it(): assert 0\n"


def run(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run pytest under the policy on two tests: the given one and one that passes."""
    (folder / "test_given.py").write_text(source)
    (folder / "test_other.py").write_text(PASS)
    arguments = ["-ra", "-p", "tests.skip_policy", "-p", "no:cacheprovider", "--rootdir", "."]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    ("source", "where"),
    [(SKIPPED_TEST, "test_given.py::test_it"), (SKIPPED_MODULE, "test_given.py")],
)
def test_a_skip_fails_in_ci_and_is_named(tmp_path: Path, source: str, where: str) -> None:
    result = run(tmp_path, source, ci="true")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "in CI a skip is a failure" in result.stdout
    assert where in result.stdout
    assert "1 passed, 1 skipped" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize("ci", ["", "false", "0"])
def test_a_skip_outside_ci_passes_and_tells_its_reason(tmp_path: Path, ci: str) -> None:
    result = run(tmp_path, SKIPPED_TEST, ci)
    assert result.returncode == pytest.ExitCode.OK
    assert "no broker here" in result.stdout


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (PASS, pytest.ExitCode.OK),
        (EXPECTED_FAILURE, pytest.ExitCode.OK),
        (FAILURE, pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_other_outcomes_keep_their_status_in_ci(
    tmp_path: Path, source: str, status: pytest.ExitCode
) -> None:
    assert run(tmp_path, source, ci="true").returncode == status
