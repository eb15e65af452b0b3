"""A scenario is a coroutine function that takes `world`: it runs on simulated time and is judged by the oracle.

`@of_world(...)` in `tests.scenarios.worlds` says how its world is built.
"""

import inspect

import pytest

from tcu_sim.bench.simulated_loop import run_simulated
from tcu_sim.bench.world import World
from tests.scenarios.worlds import Scenario, options_of

LIMIT_S = 30 * 86_400.0
"""The longest story: a parked car until it sleeps for good, 22 days."""


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    options = options_of(request.function)
    return World(**options)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run_simulated(_played(pyfuncitem.obj, arguments), limit_s=LIMIT_S)
    return True


async def _played(scenario: Scenario, arguments: dict[str, object]) -> None:
    world = arguments["world"]
    assert isinstance(world, World)
    async with world:
        await scenario(**arguments)
