"""The vehicle as a process: on a real channel, steered by a script, standard input, a socket."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcu_sim.bus.python_can_port import PythonCanPort
from tcu_sim.control.socket_server import answer_line, serve_commands
from tcu_sim.errors import BusUnreachable
from tcu_sim.vehicle.runner import VehicleRunner
from tcu_sim.vehicle.steering import ScriptLine, Steering
from tcu_sim.vehicle.vehicle import Vehicle, VehicleSettings

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """`script` is played once; without `stays` the process ends with it. `reads_stdin`: obey lines as they come."""

    interface: str
    channel: str
    bitrate: int | None
    vehicle: VehicleSettings
    script: tuple[ScriptLine, ...] | None
    stays: bool
    reads_stdin: bool
    control: Path | None


async def run_process(settings: ProcessSettings, *, report: Report) -> None:
    """Run until the script or the input ends, or SIGTERM or SIGINT comes.

    Raises:
        BusUnreachable: the channel cannot be opened, or went away.
        BadInput: the control socket cannot be made, or a script's line is not possible.
        ExpectationFailed: of the script.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    port = PythonCanPort(
        interface=settings.interface, channel=settings.channel, bitrate=settings.bitrate
    )
    try:
        runner = VehicleRunner(Vehicle(settings.vehicle, now=loop.time()), port)
        steering = Steering(runner)
        async with AsyncExitStack() as stack:
            if settings.control is not None:
                await stack.enter_async_context(serve_commands(settings.control, steering.obey))
            report({"event": "ready", "interface": settings.interface, "channel": settings.channel})
            await _first_of(runner.run(), stop.wait(), *_inputs(settings, steering, report))
    finally:
        port.close()


def _inputs(settings: ProcessSettings, steering: Steering, report: Report) -> list[Any]:
    """What may end the process besides a signal."""
    inputs: list[Any] = []
    if settings.script is not None:
        inputs.append(_play(settings, steering, report))
    if settings.reads_stdin:
        inputs.append(_obey_stdin(steering, report))
    return inputs


async def _play(settings: ProcessSettings, steering: Steering, report: Report) -> None:
    await steering.play(
        settings.script or (), progress=lambda said: report({"event": "script", "said": said})
    )
    if settings.stays:
        await asyncio.Event().wait()


async def _obey_stdin(steering: Steering, report: Report) -> None:
    async with _stdin() as lines:
        while line := await lines.readline():
            answer = await answer_line(steering.obey, line.decode(errors="replace"))
            report({"event": "answer", "said": answer})


@asynccontextmanager
async def _stdin() -> AsyncIterator[asyncio.StreamReader]:
    """A pipe, socket or terminal is read as lines come; a file is there already, and no loop can wait for one."""
    reader = asyncio.StreamReader()
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not sys.stdin.isatty()):
        reader.feed_data(sys.stdin.buffer.read())
        reader.feed_eof()
        yield reader
        return
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        yield reader
    finally:
        transport.close()


async def _first_of(*waiting: Any) -> None:
    """Return when the first has ended, and end the others; an error of any is raised."""
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        _raise_cause(task.exception())


def _raise_cause(error: BaseException | None) -> None:
    """A task group wraps what made it end."""
    if isinstance(error, BaseExceptionGroup):
        unreachable = error.subgroup(BusUnreachable)
        if unreachable is not None:
            raise unreachable.exceptions[0]
    if error is not None:
        raise error
