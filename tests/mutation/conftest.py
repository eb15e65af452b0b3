"""The car of tests/core."""

from tests.core.conftest import car

__all__ = ["car"]
