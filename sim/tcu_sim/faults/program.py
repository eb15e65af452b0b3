"""A program that is started, killed and started again, and whose lines can be waited for."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.demo.orphans import ends_with
from tcu_sim.demo.processes import ProgramError

ENDS_WITHIN_S = 15.0


@dataclass(slots=True, kw_only=True)
class Program:
    """One program. `ready`: what a line says once it can be used; `lines`: all of its lives, with the loop's time."""

    name: str
    argv: Sequence[str]
    log: Path
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    lines: list[tuple[float, str]] = field(default_factory=list)
    _process: Process | None = None
    _reader: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            ProgramError: it does not run.
        """
        if self._process is None or self._process.returncode is not None:
            raise ProgramError(f"{self.name} does not run, see {self.log}")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    def mark(self) -> int:
        """Return a mark: lines from now on stand behind it."""
        return len(self.lines)

    async def start(self, *, ready_within_s: float | None = None) -> None:
        """Start it, and wait until it is ready if a time is given.

        Raises:
            ProgramError: it is not ready in time.
        """
        mark = self.mark()
        self._process = await asyncio.create_subprocess_exec(
            *self.argv,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            start_new_session=True,
            preexec_fn=ends_with(os.getpid()),
        )
        self._reader = asyncio.create_task(self._read(self._process))
        if ready_within_s is not None:
            await self.says(self.ready, since=mark, within_s=ready_within_s)

    async def says(self, text: str, *, since: int, within_s: float) -> float:
        """Return when it said this (the loop's time), as soon as it has.

        Raises:
            ProgramError: not in time.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for at, line in self.lines[since:]:
                        if text in line:
                            return at
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ProgramError(
                f"{self.name} did not say {text!r} in {within_s:g} s, see {self.log}"
            ) from None

    async def kill(self) -> None:
        """End it as a power cut would; nothing happens if it has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._ended()

    async def stop(self) -> None:
        """End it politely, and with SIGKILL if it does not end."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise ProgramError(f"{self.name} did not end in {ENDS_WITHIN_S:g} s") from None
        await self._ended()

    async def _ended(self) -> None:
        if self._process is not None:
            await self._process.wait()
        if self._reader is not None:
            await self._reader

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for above
        loop = asyncio.get_running_loop()
        with self.log.open("a", encoding="utf-8", buffering=1) as file:
            async for raw in process.stdout:
                line = raw.decode("utf-8", "replace")
                file.write(line)
                self.lines.append((loop.time(), line))
                self._news.set()
