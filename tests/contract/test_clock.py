"""Both clocks keep the promises of the `Clock` port."""

import asyncio
import ctypes
import time
from collections.abc import Callable, Coroutine
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.adapters import clock as adapter
from tcu_agent.adapters.clock import (
    BUILD_FLOOR_S,
    TIME_ERROR,
    TIMEX_BYTES,
    SystemClock,
    kernel_clock_state,
)
from tcu_agent.ports import Clock
from tcu_sim.bench.ports import SimulatedClock
from tcu_sim.bench.simulated_loop import SimulationDeadlock, SimulationTooLong, run_simulated
from tests.meta.checkout import ROOT

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


class Timex(ctypes.Structure):
    """`struct timex` as adjtimex(2) has it, for glibc's unsuffixed symbols."""

    _fields_ = [  # type: ignore[mutable-override]  # as ctypes asks for it
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_us", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("more", ctypes.c_long * 8),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    ]


STA_UNSYNC = 0x40
"""Source: Linux, include/uapi/linux/timex.h."""


def test_the_kernel_is_asked_and_nothing_is_set() -> None:
    """Against clock_adjtime(2), the other door to the same room, with a structure of our own."""
    said, libc = Timex(), ctypes.CDLL(None, use_errno=True)
    state = libc.clock_adjtime(0, ctypes.byref(said))
    assert said.tick > 0, "the kernel filled it in where we looked"
    assert abs(said.time_s - int(time.time())) <= 1
    assert kernel_clock_state() == state
    assert SystemClock().is_synchronised() == (state != TIME_ERROR)
    if said.status & STA_UNSYNC:
        assert state == TIME_ERROR


def test_what_the_kernel_writes_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A structure that is too small would let it write over whatever lies behind."""
    assert ctypes.sizeof(Timex) <= TIMEX_BYTES
    given: list[bytes] = []

    class Library:
        @staticmethod
        def adjtimex(timex: ctypes.Array[ctypes.c_char]) -> int:
            given.append(bytes(timex))
            return 3

    monkeypatch.setattr(adapter, "libc", Library)
    assert kernel_clock_state() == 3
    assert given == [bytes(TIMEX_BYTES)], "modes of 0: it is only asked"


@pytest.mark.parametrize(
    ("state", "is_synchronised"),
    [(-1, False), (0, True), (1, True), (4, True), (TIME_ERROR, False), (6, False)],
)
def test_only_a_clock_without_error_is_synchronised(state: int, is_synchronised: bool) -> None:
    """Leap seconds (1 to 4) are no error; a sandbox that forbids the question (-1) proves nothing."""
    assert SystemClock(clock_state=lambda: state).is_synchronised() == is_synchronised


def test_the_shipped_unit_lets_the_agent_ask() -> None:
    """A unit that forbids the question would end the agent, or take the time from it for good."""
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys are written as systemd writes them
    unit.read(ROOT / "deploy" / "tcu-agent.service")
    service = unit["Service"]
    assert service.get("ProtectClock", "false") == "false"
    assert {"adjtimex", "clock_adjtime"} <= set(service["SystemCallFilter"].split())
    assert service["CapabilityBoundingSet"] == "", "so it can only ask"


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
