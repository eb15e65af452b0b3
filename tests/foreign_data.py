"""Recordings and vectors that nobody here wrote: read where they lie, never copied into the project.

The folder is named by the environment variable `TCU_TEST_DATA`; the default lies beside the checkout.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT.parent / "shared" / "data"


def foreign_data(relative: str) -> Path:
    """Return a file or folder of it; where it is missing, skip the test (in CI a skip is a failure).

    `relative`: with slashes, as in `recordings/tesla_model3/tesla_model3_vehicle.dbc`.
    """
    path = Path(os.environ.get("TCU_TEST_DATA") or DEFAULT) / relative
    if not path.exists():
        pytest.skip(
            f"no test data at {path}: set TCU_TEST_DATA to its folder", allow_module_level=True
        )
    return path
