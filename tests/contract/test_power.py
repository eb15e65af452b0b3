"""The wake-up timer and the suspend keep the promises of their ports: the real ones, and those of the bench."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.adapters.clock import SystemClock
from tcu_agent.adapters.power import alarm_timer
from tcu_agent.adapters.power.alarm_timer import AlarmTimer
from tcu_agent.adapters.power.suspend_command import SuspendCommand
from tcu_agent.errors import PowerError
from tcu_agent.ports import Clock, PowerPort, RtcPort
from tcu_sim.bench.ports import SimulatedClock, SimulatedPower, SimulatedRtc
from tcu_sim.bench.simulated_loop import run_simulated

Run = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True, slots=True)
class Case:
    rtc: RtcPort
    clock: Clock
    run: Run


@pytest.fixture(params=["timerfd", "simulated"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "simulated":
        clock = SimulatedClock()
        yield Case(SimulatedRtc(clock), clock, run_simulated)
        return
    try:
        timer = AlarmTimer()
    except PowerError as error:
        pytest.skip(f"{error}: run as root, or with CAP_WAKE_ALARM")
    yield Case(timer, SystemClock(), asyncio.run)
    timer.close()


def test_nothing_is_set_at_first(case: Case) -> None:
    async def main() -> None:
        assert case.rtc.next_wake() is None

    case.run(main())


def test_the_last_time_counts_and_can_be_taken_back(case: Case) -> None:
    async def main() -> None:
        now = case.clock.boottime()
        case.rtc.wake_at(now + 1000)
        assert case.rtc.next_wake() == pytest.approx(now + 1000, abs=0.01)
        case.rtc.wake_at(now + 2000.25)
        assert case.rtc.next_wake() == pytest.approx(now + 2000.25, abs=0.01)
        case.rtc.wake_at(None)
        assert case.rtc.next_wake() is None

    case.run(main())


@pytest.mark.parametrize("ago_s", [0.0, 0.001, 5.0, 1e9])
def test_a_time_that_has_passed_is_none(case: Case, ago_s: float) -> None:
    async def main() -> None:
        case.rtc.wake_at(case.clock.boottime() - ago_s)
        await case.clock.wait_until(case.clock.boottime() + 0.01)
        assert case.rtc.next_wake() is None

    case.run(main())


def test_once_reached_it_is_over(case: Case) -> None:
    async def main() -> None:
        at = case.clock.boottime() + 0.02
        case.rtc.wake_at(at)
        await case.clock.wait_until(at + 0.01)
        assert case.rtc.next_wake() is None

    case.run(main())


def test_the_timer_fires_at_its_time(case: Case) -> None:
    if not isinstance(case.rtc, AlarmTimer):
        return
    at = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.05
    case.rtc.wake_at(at)
    assert select.select([case.rtc._fd], [], [], 10)[0]
    assert time.clock_gettime(time.CLOCK_BOOTTIME) >= at


def test_a_timer_that_was_taken_back_does_not_fire(case: Case) -> None:
    if not isinstance(case.rtc, AlarmTimer):
        return
    at = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.05
    case.rtc.wake_at(at)
    case.rtc.wake_at(None)
    asyncio.run(case.clock.wait_until(at + 0.01))
    assert select.select([case.rtc._fd], [], [], 0)[0] == []


def test_who_may_not_wake_the_board_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(1, "EPERM")

    monkeypatch.setattr(alarm_timer, "checked", refused)
    with pytest.raises(PowerError, match="CAP_WAKE_ALARM"):
        AlarmTimer()


# ---------------------------------------------------------------- suspend


def simulated(*, works: bool) -> PowerPort:
    clock = SimulatedClock()
    rtc = SimulatedRtc(clock)
    power = SimulatedPower(rtc=rtc, now=clock.boottime, suspend=clock.suspend)
    power.works = works
    return power


@pytest.mark.parametrize(
    ("power", "run"),
    [(SuspendCommand(["true"]), asyncio.run), (simulated(works=True), run_simulated)],
    ids=["real", "bench"],
)
def test_a_suspend_returns(power: PowerPort, run: Run) -> None:
    run(power.suspend())


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (SuspendCommand(["false"]), "false: ended with status 1"),
        (SuspendCommand(["/nowhere/suspend"]), "/nowhere/suspend: No such file"),
        (simulated(works=False), "does not suspend"),
    ],
    ids=["status", "missing", "bench"],
)
def test_a_suspend_that_fails_says_so(power: PowerPort, said: str) -> None:
    with pytest.raises(PowerError, match=said):
        asyncio.run(power.suspend())


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcu_agent.adapters.power.suspend_command.TIMEOUT_S", 0.05)
    with pytest.raises(PowerError, match="not done after"):
        asyncio.run(SuspendCommand(["sleep", "1000"]).suspend())


def test_a_car_that_stirs_ends_the_command_too(tmp_path: Path) -> None:
    noted = tmp_path / "pid"

    async def main() -> None:
        started = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, started.set)
        command = SuspendCommand(
            ["sh", "-c", f"echo $$ > '{noted}'; kill -USR1 $PPID; exec sleep 1000"]
        )
        suspending = asyncio.create_task(command.suspend())
        await started.wait()
        suspending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await suspending

    asyncio.run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_the_simulated_board_sleeps_until_its_rtc() -> None:
    async def main() -> None:
        clock = SimulatedClock()
        rtc = SimulatedRtc(clock)
        power = SimulatedPower(rtc=rtc, now=clock.boottime, suspend=clock.suspend)
        before, loop_s = clock.boottime(), asyncio.get_running_loop().time()
        rtc.wake_at(before + 3600)
        await power.suspend()
        assert clock.boottime() == pytest.approx(before + 3600)
        assert asyncio.get_running_loop().time() == pytest.approx(loop_s)
        await power.suspend()
        assert power.suspends == [pytest.approx(3600), float("inf")]

    run_simulated(main())
