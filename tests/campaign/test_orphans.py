"""A campaign that is killed takes its agents along: left alone they would call on the ports of the next one."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.processes import gone

TIMEOUT_S = 30.0
BOARD = """
import asyncio, pathlib, sys
from tcu_sim.campaign.board import Board
async def main():
    folder = pathlib.Path(sys.argv[1])
    board = Board(config=folder / "tcu.toml", log=folder / "log", program=("-c", sys.argv[2]))
    await board.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""
LANES = """
import multiprocessing, sys
from tcu_sim.campaign import campaign
if __name__ == "__main__":
    # Each lane is what the second word says; all else is the campaign's own.
    campaign.play_one = exec
    list(campaign.results([sys.argv[2]] * 2, processes=2))
"""
DEAF = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [{blocked}])
os.write(os.open({fifo!r}, os.O_WRONLY), b"%d\\n" % os.getpid())
while True: signal.pause()
"""


async def pid_from(fifo: int) -> int:
    """Return the process id that comes through a pipe."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fifo, "rb", buffering=0)
    )
    try:
        return int(await reader.readline())
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("script", "blocked"),
    [(BOARD, "signal.SIGTERM, signal.SIGINT"), (LANES, "signal.SIGINT")],
    ids=["agent", "lane"],
)
def test_who_is_killed_leaves_nobody_behind(tmp_path: Path, script: str, blocked: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "parent.py").write_text(script)

    async def run() -> None:
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, tmp_path / "parent.py", tmp_path),
            DEAF.format(blocked=blocked, fifo=str(fifo)),
        )
        try:
            # Opened for both, so that it has no end before somebody writes.
            child = await pid_from(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))
        finally:
            parent.kill()
            await parent.wait()
        await gone(child)

    asyncio.run(asyncio.wait_for(run(), TIMEOUT_S))
