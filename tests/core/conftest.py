"""A car that has its trust bundle, its account and a running bus."""

import pytest

from tests.core.driver import Driver


@pytest.fixture
def car() -> Driver:
    driver = Driver()
    driver.provision()
    return driver
