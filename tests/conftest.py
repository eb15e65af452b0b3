"""What holds for every test: in CI a skip is a failure, and nobody changes the process for the next."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.skip_policy"]

# Hypothesis' deadline of 200 ms for one example measures the machine, and failed on a busy one. `settings.default`:
# what else the profile in force says (in CI: no chance) stays.
settings.register_profile("without a deadline", parent=settings.default, deadline=None)
settings.load_profile("without a deadline")


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Put back what a program run inside the tests' own process changed: file modes and folder."""
    folder = Path.cwd()
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
    os.chdir(folder)
