"""Programs start, say that they are ready, and are ended by their id, whatever happens."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tcu_sim.demo.processes import Command, Ensemble, ProgramError

FOREVER = "import signal; print('ready on port 4711', flush=True); signal.pause()"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\n"
    "while True: signal.pause()"
)


def command(source: str, ready: str | None = "ready", timeout_s: float = 20.0) -> Command:
    argv = [sys.executable, "-c", source]
    return Command(name="trial", argv=argv, ready=ready, timeout_s=timeout_s)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_ready_line_gives_its_groups_and_the_log_keeps_it(tmp_path: Path) -> None:
    async with Ensemble(tmp_path) as ensemble:
        program = await ensemble.start(command(FOREVER, r"ready on port (\d+)"))
        assert program.ready is not None
        assert program.ready[1] == "4711"
        assert is_alive(program.pid)
    assert not is_alive(program.pid)
    assert (tmp_path / "trial.log").read_text() == "ready on port 4711\n"


async def test_every_line_is_handed_on(tmp_path: Path) -> None:
    lines: list[str] = []
    source = "print('one'); print('two')"
    async with Ensemble(tmp_path) as ensemble:
        argv = [sys.executable, "-c", source]
        await ensemble.start(Command(name="trial", argv=argv, ready="two", on_line=lines.append))
    assert lines == ["one", "two"]


async def test_a_program_that_ends_too_early_is_told_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    async with Ensemble(tmp_path) as ensemble:
        with pytest.raises(
            ProgramError, match=r"(?s)ended with status 3 before it was ready.*no key"
        ):
            await ensemble.start(command("print('no key'); raise SystemExit(3)"))


async def test_a_program_that_never_gets_ready_is_told_and_ended(tmp_path: Path) -> None:
    async with Ensemble(tmp_path) as ensemble:
        with pytest.raises(ProgramError, match="did not say 'never'"):
            await ensemble.start(command(FOREVER, "never", timeout_s=0.3))
        pid = ensemble.programs["trial"].pid
        assert is_alive(pid)
    assert not is_alive(pid)


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with Ensemble(tmp_path) as ensemble:
        with pytest.raises(ProgramError, match="cannot be started"):
            await ensemble.start(Command(name="trial", argv=[str(tmp_path / "nothing")]))


async def test_a_deaf_program_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcu_sim.demo.processes.STOP_TIMEOUT_S", 0.2)
    async with Ensemble(tmp_path) as ensemble:
        program = await ensemble.start(command(DEAF))
    assert program.process.returncode == -9


async def test_programs_end_when_the_demo_is_cancelled(tmp_path: Path) -> None:
    pids: list[int] = []
    started = asyncio.Event()

    async def run() -> None:
        async with Ensemble(tmp_path) as ensemble:
            pids.append((await ensemble.start(command(FOREVER))).pid)
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pids[0])
