"""The board of a slow machine: agents are forks of a process that has loaded their modules already."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

from tcu_sim.campaign.board import READY
from tcu_sim.campaign.errors import CampaignError

PRELOADED: tuple[str, ...] = ("-m", "tcu_sim.campaign.power.preloaded_agent")
LOADING_TIMEOUT_S = 180.0
ENDING_TIMEOUT_S = 60.0
SAID = re.compile(r"(?P<what>preloaded|agent|dead)(?: (?P<pid>\d+))?(?: (?P<status>-?\d+))?\s*$")


class PreloadedBoard:
    """As `Board`. `program`: what preloads (a mutant, in tests)."""

    def __init__(self, *, config: Path, log: Path, program: tuple[str, ...] = PRELOADED) -> None:
        self.ready = asyncio.Event()
        self._config = config
        self._log = log
        self._program = program
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._loaded = asyncio.Event()

    async def start(self, *, mine: tuple[str, int] | None = None) -> None:
        """Start an agent; `ready` is set when it says that it is connected."""
        if self._process is None:
            await self._load()
        loop = asyncio.get_running_loop()
        self.ready, self._pid, self._status = (
            asyncio.Event(),
            loop.create_future(),
            loop.create_future(),
        )
        words = [] if mine is None else [mine[0], str(mine[1])]
        assert self._process is not None  # noqa: S101 - loaded above
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        self._process.stdin.write(
            json.dumps([*words, "run", "-c", str(self._config)]).encode() + b"\n"
        )
        await self._pid

    async def dead(self) -> int:
        """Wait until it is dead; return its status."""
        return await asyncio.shield(self._status)

    async def kill(self) -> bool:
        """Kill it with SIGKILL; False if it was dead already."""
        was_alive = not self._status.done()
        if was_alive:
            try:
                os.kill(self._pid.result(), signal.SIGKILL)
            except ProcessLookupError:
                was_alive = False
        await self.dead()
        return was_alive

    async def stop(self) -> None:
        """End it politely.

        Raises:
            CampaignError: it does not end, or has not ended well.
        """
        if not self._status.done():
            os.kill(self._pid.result(), signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDING_TIMEOUT_S):
                status = await self.dead()
        except TimeoutError:
            await self.kill()
            raise CampaignError(f"the agent did not end in {ENDING_TIMEOUT_S:g} s") from None
        if status != 0:
            raise CampaignError(f"the agent ended with status {status}, see {self._log}")

    async def close(self) -> None:
        """Leave no process behind."""
        if self._process is None or self._reader is None:
            return
        if self._pid.done() and not self._status.done():
            await self.kill()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def _load(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._program, stdin=PIPE, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read(self._process))
        async with asyncio.timeout(LOADING_TIMEOUT_S):
            await self._loaded.wait()

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for above
        with self._log.open("a", encoding="utf-8", buffering=1) as file:
            async for raw in process.stdout:
                line = raw.decode("utf-8", "replace")
                file.write(line)
                if READY in line:
                    self.ready.set()
                # A line of a killed agent may lack its end.
                elif said := SAID.search(line):
                    self._take(said)

    def _take(self, said: re.Match[str]) -> None:
        match said["what"]:
            case "preloaded":
                self._loaded.set()
            case "agent" if not self._pid.done():
                self._pid.set_result(int(said["pid"]))
            case "dead" if said["status"] is not None and not self._status.done():
                self._status.set_result(int(said["status"]))
            case _:
                pass
