"""One bench for each test."""

from pathlib import Path

import pytest

from tests.enrolment.bench import Bench, make_bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


@pytest.fixture
def enrolled(bench: Bench) -> Bench:
    """Return a bench whose vehicle has been enrolled, with a certificate that lasts for 90 days."""
    bench.invite()
    bench.enrol()
    (bench.folder / "password").unlink()
    return bench
