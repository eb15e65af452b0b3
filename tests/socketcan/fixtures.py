"""The bench of this run, shared by tests/socketcan and tests/hil: `pytest -p tests.socketcan.fixtures`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.socketcan.bench import Bench, bench_of_this_run
from tests.socketcan.foreign import Candump, candump
from tests.socketcan.ports import PORTS, CountingPort


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """The bus, up."""
    bench = bench_of_this_run()
    bench.set_up()
    yield bench
    bench.tear_down()


@pytest.fixture(scope="session")
def dump(bench: Bench) -> Iterator[Candump]:
    """A candump at both ends, for as long as the tests run."""
    with candump(bench.results / "candump.log", bench.far) as dump:
        yield dump


@pytest.fixture(params=sorted(PORTS))
def port(request: pytest.FixtureRequest, bench: Bench) -> CountingPort:
    """Each way to open an interface, on the agent's end."""
    return PORTS[request.param](bench.agent)
