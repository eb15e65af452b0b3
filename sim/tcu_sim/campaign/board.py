"""One agent after another as a real process on one state directory: started, killed, waited for, asked nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tcu_sim.campaign.errors import CampaignError
from tcu_sim.demo.orphans import ends_with

PLAIN: tuple[str, ...] = ("-m", "tcu_agent")
MINED: tuple[str, ...] = ("-m", "tcu_sim.campaign.mined_agent")
READY = '"connected"'
ENDING_TIMEOUT_S = 15.0
LOG_LINES_KEPT = 400


class AgentBoard(Protocol):
    """What starts and ends agents: `Board`, or `PreloadedBoard`."""

    ready: asyncio.Event

    async def start(self, *, mine: tuple[str, int] | None = None) -> None:
        """Start an agent."""

    async def dead(self) -> int:
        """Wait until it is dead; return its status."""

    async def kill(self) -> bool:
        """Kill it; False if it was dead already."""

    async def stop(self) -> None:
        """End it politely."""


@dataclass(slots=True, kw_only=True)
class Board:
    """Where the agent runs. `program`: the agent to start where no mine is wanted (a mutant, in tests)."""

    config: Path
    log: Path
    program: tuple[str, ...] = PLAIN
    mined: tuple[str, ...] = MINED
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _process: Process | None = None
    _reader: asyncio.Task[None] | None = None

    async def start(self, *, mine: tuple[str, int] | None = None) -> None:
        """Start an agent; `ready` is set when it says that it is connected. `mine`: point and number."""
        words: Sequence[str] = (
            self.program if mine is None else (*self.mined, mine[0], str(mine[1]))
        )
        self.ready = asyncio.Event()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *words, "run", "-c", str(self.config),
            stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True,
            preexec_fn=ends_with(os.getpid(), signal.SIGKILL),
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read(self._process, self.ready))

    async def dead(self) -> int:
        """Wait until it is dead; return its status."""
        process, reader = self._now()
        status = await process.wait()
        await reader
        return status

    async def kill(self) -> bool:
        """Kill it with SIGKILL; False if it was dead already."""
        process, _ = self._now()
        was_alive = process.returncode is None
        if was_alive:
            process.kill()
        await self.dead()
        return was_alive

    async def stop(self) -> None:
        """End it politely.

        Raises:
            CampaignError: it does not end, or has not ended well.
        """
        process, _ = self._now()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDING_TIMEOUT_S):
                status = await self.dead()
        except TimeoutError:
            await self.kill()
            raise CampaignError(f"the agent did not end in {ENDING_TIMEOUT_S:g} s") from None
        if status != 0:
            raise CampaignError(f"the agent ended with status {status}, see {self.log}")

    async def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    def _now(self) -> tuple[Process, asyncio.Task[None]]:
        if self._process is None or self._reader is None:
            raise CampaignError("no agent was started")
        return self._process, self._reader

    async def _read(self, process: Process, ready: asyncio.Event) -> None:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for above
        with self.log.open("a", encoding="utf-8", buffering=1) as file:
            file.write(f"--- started, pid {process.pid}\n")
            async for raw in process.stdout:
                line = raw.decode("utf-8", "replace")
                file.write(line)
                if READY in line:
                    ready.set()
