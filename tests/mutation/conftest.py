"""The car of tests/core, and the same after an unlock."""

import pytest

from tcu_agent.protocol.vocabulary import Service
from tests.core.conftest import car
from tests.core.driver import Driver

__all__ = ["car", "unlocked"]


@pytest.fixture
def unlocked(car: Driver) -> Driver:
    """A car that was just unlocked, so that it will lock itself again."""
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(0.2)
    return car
