"""What holds for every test: in CI a skip is a failure, and nobody changes the process for the next."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.skip_policy"]


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Put back what a program run inside the tests' own process changed: file modes and folder."""
    folder = Path.cwd()
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
    os.chdir(folder)
