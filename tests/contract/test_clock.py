"""Both clocks keep the promises of the `Clock` port."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.adapters.clock import BUILD_FLOOR_S, SystemClock
from tcu_agent.ports import Clock
from tcu_sim.bench.ports import SimulatedClock
from tcu_sim.bench.simulated_loop import SimulationDeadlock, SimulationTooLong, run_simulated

Run = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True, slots=True)
class Case:
    clock: Clock
    run: Run


@pytest.fixture(params=["system", "simulated"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "system":
        return Case(SystemClock(), asyncio.run)
    return Case(SimulatedClock(), run_simulated)


def test_waiting_ends_at_the_deadline_and_never_before(case: Case) -> None:
    async def main() -> None:
        deadline = case.clock.boottime() + 0.02
        await case.clock.wait_until(deadline)
        assert deadline <= case.clock.boottime() < deadline + 5

    case.run(main())


def test_a_deadline_in_the_past_has_come(case: Case) -> None:
    async def main() -> None:
        await case.clock.wait_until(case.clock.boottime() - 1)
        await case.clock.wait_until(-1.0)

    case.run(main())


def test_a_cancelled_wait_leaves_nothing_behind(case: Case) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(case.clock.wait_until(case.clock.boottime() + 1000))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    before = len(list(Path("/proc/self/fd").iterdir()))
    case.run(main())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_two_may_wait_and_the_nearer_one_comes_first(case: Case) -> None:
    async def main() -> None:
        start, order = case.clock.boottime(), list[str]()

        async def wait(name: str, delay_s: float) -> None:
            await case.clock.wait_until(start + delay_s)
            order.append(name)

        await asyncio.gather(wait("far", 0.04), wait("near", 0.01))
        assert order == ["near", "far"]

    case.run(main())


def test_the_boot_session_stays_the_same_within_one_boot(case: Case) -> None:
    async def main() -> None:
        assert case.clock.boot_session()
        assert case.clock.boot_session() == case.clock.boot_session()

    case.run(main())


def test_the_wall_clock_goes_with_the_boot_clock(case: Case) -> None:
    async def main() -> None:
        wall = case.clock.wall()
        assert wall is not None
        assert wall >= BUILD_FLOOR_S

    case.run(main())


def test_the_system_clock_is_not_believed_below_its_floor(tmp_path: Path) -> None:
    assert SystemClock(floor_s=2**33).wall() is None
    assert SystemClock(boot_id_file=tmp_path / "none").boot_session() == ""


def test_a_suspend_is_counted_and_wakes_who_waits() -> None:
    async def main() -> None:
        clock = SimulatedClock()
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(clock.wait_until(clock.boottime() + 3600))
        await asyncio.sleep(0)
        clock.suspend(4000)
        await waiting
        assert loop.time() == 0

    run_simulated(main())


def test_a_reboot_starts_the_boot_clock_anew_and_leaves_the_wall_clock() -> None:
    async def main() -> None:
        clock = SimulatedClock(wall_s=1_800_000_000)
        session = clock.boot_session()
        clock.reboot(off_s=7)
        assert clock.boottime() == 0
        assert clock.wall() == 1_800_000_007
        assert clock.boot_session() != session
        clock.set_wall(None)
        assert clock.wall() is None

    run_simulated(main())


def test_what_can_never_come_ends_a_simulated_run() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationDeadlock):
        run_simulated(wait_for_nothing())


def test_an_endless_simulated_run_ends_at_its_limit() -> None:
    async def tick() -> None:
        clock = SimulatedClock()
        while True:
            await clock.wait_until(clock.boottime() + 1)

    with pytest.raises(SimulationTooLong):
        run_simulated(tick(), limit_s=100)


@pytest.mark.parametrize("deadline", [0.1, 1000.3, 1234567.7, 0.1 + 0.2])
def test_simulated_time_stops_at_the_deadline_to_the_last_bit(deadline: float) -> None:
    async def main() -> None:
        clock = SimulatedClock(boottime_s=0.05)
        await clock.wait_until(deadline)
        assert deadline <= clock.boottime() <= deadline + 1e-9

    run_simulated(main(), limit_s=1e7)
