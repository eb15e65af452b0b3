"""All four services as processes of their own: started, watched, started again when one ends, ended together.

A service that falls is started again a few times; what it had decided is in its database. If it keeps falling, all end
with status 1: a centre that limps is worse than one that is seen to be down.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass

from tcu_sim.centre.ending import end_tasks, stop_event
from tcu_sim.errors import SimulatorError
from tcu_sim.pki.layout import SERVICES

MOST_RESTARTS = 5
PAUSE_S = 0.5
STOP_TIMEOUT_S = 5.0
READY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Child:
    """One running service and what it said when it was ready."""

    name: str
    process: Process
    facts: dict[str, object]


class Supervisor:
    """Runs the four. `arguments`: what `tcu-sim centre NAME` is given besides."""

    def __init__(self, arguments: Sequence[str], *, as_json: bool) -> None:
        self._arguments = tuple(arguments)
        self._as_json = as_json
        self._processes: list[Process] = []

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit status.

        Raises:
            SimulatorError: a service does not become ready.
        """
        stopping = asyncio.create_task(stop_event().wait())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.wait((stopping, work), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks((stopping, work))
            await asyncio.gather(*(_end(process) for process in self._processes))
        return 0 if work.cancelled() else work.result()

    async def _work(self) -> int:
        starts = [asyncio.create_task(self._start(name)) for name in SERVICES]
        try:
            await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await end_tasks(start for start in starts if not start.done())
        for start in starts:
            if not start.cancelled():
                start.result()
        children = [start.result() for start in starts]
        self._say_ready(children)
        return await self._watch(children)

    async def _watch(self, children: list[Child]) -> int:
        restarts = 0
        while True:
            ends = {asyncio.create_task(child.process.wait()): child for child in children}
            try:
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in ends:
                    task.cancel()
            for child in [ends[task] for task in ends if task in done]:
                restarts += 1
                _note(f"{child.name} ended with status {child.process.returncode}")
                children.remove(child)
                if restarts > MOST_RESTARTS:
                    return 1
                await asyncio.sleep(PAUSE_S)
                children.append(await self._start(child.name))
                _note(f"{child.name} runs again")

    async def _start(self, name: str) -> Child:
        argv = [sys.executable, "-m", "tcu_sim.cli.main", "centre", name]
        options = ["--json", "--with-parent", *self._arguments]
        process = await asyncio.create_subprocess_exec(
            *argv, *options, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        self._processes.append(process)
        if process.stdout is None:
            raise SimulatorError(f"centre {name}: no output")
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await process.stdout.readline()
            return Child(name, process, json.loads(line))
        except (TimeoutError, ValueError) as error:
            await _end(process)
            raise SimulatorError(f"centre {name}: did not become ready") from error

    def _say_ready(self, children: Sequence[Child]) -> None:
        if self._as_json:
            services = {child.name: child.facts for child in children}
            _say(json.dumps({"ready": True, "services": services}))
            return
        for child in children:
            _say(f"centre {child.name:<8} {child.facts['url']} (pid {child.facts['pid']})")
        _say("centre: ready")


async def _end(process: Process) -> None:
    """End one process that we started, by its handle."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _note(line: str) -> None:
    sys.stderr.write(f"centre: {line}\n")
    sys.stderr.flush()
