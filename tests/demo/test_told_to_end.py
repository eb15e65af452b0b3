"""However the demo is ended, nothing that it started stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.demo.told import Done, Told, until_told
from tests.processes import gone

TIMEOUT_S = 20.0
DEAF_AGENT = """
import signal
def tell(*_):
    open(__file__ + ".fifo", "w").close()
signal.signal(signal.SIGTERM, tell)
print('"connected"', flush=True)
tell()
while True: signal.pause()
"""
"""It opens its pipe when it is up, and when it is told to end, and does not end."""
PARTS = 9
"""Broker, bus, vehicle, observer, the four services, the agent."""


def children_of(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


async def told_by(agent: Path) -> None:
    """Return when the agent opens its pipe."""
    async with asyncio.timeout(2 * TIMEOUT_S):
        await asyncio.to_thread(lambda: Path(f"{agent}.fifo").open().close())


async def demo_ended_by(numbers: Sequence[int], agent: Path) -> tuple[int, str]:
    """Start a demo, signal it once all parts are up, and return its status and what it wrote on stderr."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tcu_sim.cli.main", "demo"),
        *("--agent", f"{sys.executable} {agent}"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    await told_by(agent)
    pids = children_of(demo.pid)
    assert len(pids) == PARTS
    demo.send_signal(numbers[0])
    await told_by(agent)  # the demo, or the kernel, has told it to end
    for number in numbers[1:]:
        demo.send_signal(number)
    async with asyncio.timeout(TIMEOUT_S):
        _, err = await demo.communicate()
    if signal.SIGKILL in numbers:
        # The agent was told, as all were, and is deaf to it.
        os.kill(next(pid for pid in pids if is_deaf(pid)), signal.SIGKILL)
    await asyncio.gather(*map(gone, pids))
    return demo.returncode or 0, err.decode()


def is_deaf(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return b"deaf.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ([signal.SIGTERM], 143),
        ([signal.SIGINT, signal.SIGINT], 130),
        ([signal.SIGKILL], -9),
    ],
    ids=["SIGTERM", "Ctrl-C twice", "SIGKILL"],
)
async def test_nothing_stays_behind(numbers: list[int], status: int, tmp_path: Path) -> None:
    agent = tmp_path / "deaf.py"
    agent.write_text(DEAF_AGENT)
    os.mkfifo(f"{agent}.fifo")
    assert await demo_ended_by(numbers, agent) == (status, "")


async def test_a_second_signal_cancels_once_more_and_the_first_one_counts() -> None:
    heard = []

    async def work() -> str:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append(number)
        return "not told to anybody"

    assert await until_told(work()) == Told(signal.SIGINT)
    assert heard == [signal.SIGINT, signal.SIGTERM]


async def test_work_that_nobody_ends_gives_its_result() -> None:
    async def work() -> str:
        return "result"

    assert await until_told(work()) == Done("result")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--agent", "no-such-agent run"], "there is no such program"),
        (["--agent", "'"], "No closing quotation"),
        (["--vehicle", "jam rear-right", "--vehicle", "jma tailgate"], "--vehicle 'jma tailgate'"),
        (["--keep", "FILE"], "no directory can be made there"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_started(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    options = [str(file) if word == "FILE" else word for word in options]
    assert main(["demo", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, words in err) == ("", True), err


async def test_a_reader_that_goes_away_ends_the_demo_quietly() -> None:
    reading, writing = os.pipe()
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tcu_sim.cli.main", "demo"),
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    os.close(reading)
    async with asyncio.timeout(2 * TIMEOUT_S):
        _, err = await demo.communicate()
    assert (demo.returncode, err) == (141, b"")
