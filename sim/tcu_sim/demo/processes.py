"""Starting programs, waiting until they are ready, ending exactly those by their id.

Each program's output goes to a log of its own; a line that matches `ready` says that it can be
used. Programs run in sessions of their own, so that Ctrl-C reaches the demo alone, which then ends
them in order; told again it kills them. Where the kernel offers it (Linux), they are ended also when the demo is
killed itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tcu_sim.demo.orphans import ends_with
from tcu_sim.errors import SimulatorError

STOP_TIMEOUT_S = 5.0
"""How long a program may take to end after SIGTERM before it is killed."""
LINE_LIMIT_BYTES = 1 << 20


class ProgramError(SimulatorError):
    """A program did not start, or ended by itself."""


@dataclass(slots=True, kw_only=True)
class Program:
    """One started program. `ready`: the match of its ready line, with groups such as a port."""

    name: str
    process: Process
    log: Path
    ready: re.Match[str] | None = None
    reader: asyncio.Task[None] = field(repr=False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended, by itself or not."""
        return self.process.returncode is not None

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        return _tail(self.log, lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start. `ready`: regular expression for the line that says so; None = ready at once.

    `on_line` sees every line, before it is logged.
    """

    name: str
    argv: Sequence[str]
    ready: str | None = None
    timeout_s: float = 20.0
    environment: Mapping[str, str] = field(default_factory=dict)
    on_line: Callable[[str], None] | None = None


class Ensemble:
    """The programs of one run, ended in reverse order at the end, whatever the end is."""

    def __init__(self, logs: Path, *, patience: float = 1.0) -> None:
        """`patience`: factor for the time limits of starting."""
        self._logs = logs
        self._patience = patience
        self._is_over = False
        self.programs: dict[str, Program] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop_all()

    async def start(self, command: Command) -> Program:
        """Start a program and return when it is ready.

        Raises:
            ProgramError: it cannot be started, ended before it was ready, or was not ready in time.
        """
        program, ready = await self._spawn(command)
        try:
            async with asyncio.timeout(command.timeout_s * self._patience):
                program.ready = await ready
        except TimeoutError:
            raise ProgramError(
                f"{command.name} did not say {command.ready!r} within {command.timeout_s * self._patience:g} s\n"
                f"{program.tail()}"
            ) from None
        return program

    async def _spawn(
        self, command: Command
    ) -> tuple[Program, asyncio.Future[re.Match[str] | None]]:
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                limit=LINE_LIMIT_BYTES,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **command.environment},
                start_new_session=True,
                preexec_fn=ends_with(os.getpid()),
            )
        except OSError as error:
            raise ProgramError(f"{command.name} cannot be started: {error}") from error
        if self._is_over:
            process.kill()
            raise ProgramError(f"{command.name} is not needed any more")
        ready: asyncio.Future[re.Match[str] | None] = asyncio.get_running_loop().create_future()
        if command.ready is None:
            ready.set_result(None)
        log = self._logs / f"{command.name}.log"
        reader = asyncio.create_task(_copy_output(command, process, log, ready))
        program = Program(name=command.name, process=process, log=log, reader=reader)
        self.programs[command.name] = program
        return program, ready

    async def stop(self, name: str) -> None:
        """End one program by its id, with what it has started; nothing happens if it has ended already."""
        program = self.programs[name]
        if not program.ended:
            _signal(program, signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await program.process.wait()
            except TimeoutError:
                _signal(program, signal.SIGKILL)
                await program.process.wait()
        # Somebody whom it has left behind may hold its output open for ever.
        await asyncio.wait([program.reader], timeout=STOP_TIMEOUT_S)
        program.reader.cancel()
        await asyncio.wait([program.reader])
        del self.programs[name]

    async def stop_all(self) -> None:
        """End all of them, the last one started first. Cancelled meanwhile, it kills them, and ends no sooner."""
        self._is_over = True
        ending = asyncio.create_task(self._stop_all())
        cancelled: asyncio.CancelledError | None = None
        while not ending.done():
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError as error:
                cancelled = error
                self.kill_all()
        if cancelled is not None:
            raise cancelled
        ending.result()

    def kill_all(self) -> None:
        """Kill all of them at once."""
        for program in self.programs.values():
            if not program.ended:
                _signal(program, signal.SIGKILL)

    async def _stop_all(self) -> None:
        while self.programs:
            await self.stop(next(reversed(self.programs)))

    def tails(self) -> str:
        """Return the end of every log, for a person who has to find out what went wrong."""
        return "\n".join(
            f"--- {program.name} (pid {program.pid}, {'ended' if program.ended else 'running'}), "
            f"{program.log}:\n{program.tail()}"
            for program in self.programs.values()
        )


def _signal(program: Program, number: signal.Signals) -> None:
    """Signal a program that has not been waited for yet, and its session, which is its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, number)


def _tail(log: Path, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


async def _copy_output(
    command: Command, process: Process, log: Path, ready: asyncio.Future[re.Match[str] | None]
) -> None:
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for above
    with log.open("a", encoding="utf-8", buffering=1) as file:
        async for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if command.on_line is not None:
                command.on_line(line)
            file.write(line + "\n")
            if not ready.done() and (match := re.search(command.ready or "", line)):
                ready.set_result(match)
    status = await process.wait()
    if not ready.done():
        ready.set_exception(
            ProgramError(
                f"{command.name} ended with status {status} before it was ready\n{_tail(log)}"
            )
        )
