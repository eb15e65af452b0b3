"""What a board gives up for the agent: how long it takes to start, its share of a processor, and its memory.

A real `tcu-agent run` with a real mosquitto and SQLite store; its CAN bus is a pseudo terminal with slcan, which every
kernel has. Parsing that line is most of the busy share: on SocketCAN there is nothing of it (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from benchmarks.drive import ROOT, frames
from benchmarks.figures import Figure
from benchmarks.place import configuration, make_keys
from tcu_sim.bus.frame import Frame
from tcu_sim.bus.in_process import InProcessNode
from tcu_sim.bus.pty_link import PtyLink
from tcu_sim.bus.router import Router
from tcu_sim.demo.broker import start_broker
from tcu_sim.demo.processes import Command, Ensemble, Program
from tcu_sim.fleet.measures import resident_kib

QUIET_S: Final = 10.0
BUSY_S: Final = 10.0
MOST_ROUNDS: Final = 3
"""Each takes half a minute."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    ensemble: Ensemble
    config: Path
    node: InProcessNode


@asynccontextmanager
async def _bench(folder: Path) -> AsyncIterator[_Bench]:
    """Start a broker and a bus; the agent comes and goes."""
    layout = make_keys(folder)
    router = Router(rng=Random(0))  # noqa: S311 -- no faults are drawn from it
    terminal = PtyLink(
        name="tcu", index=0, path=folder / "can" / "tcu", queue_frames=4096, router=router
    )
    node = InProcessNode(name="player", router=router, queue_frames=1)
    router.attach(terminal)
    router.attach(node)
    async with Ensemble(folder / "logs") as ensemble:
        broker = await start_broker(ensemble, folder)
        text = configuration(folder, layout, broker, can_address=f"slcan:{terminal.path}")
        config = folder / "tcu.toml"
        config.write_text(text, encoding="utf-8")
        terminal.open()
        try:
            yield _Bench(ensemble=ensemble, config=config, node=node)
        finally:
            terminal.close()
            router.close()


async def _start(bench: _Bench, word: str) -> tuple[Program, float]:
    """Start the agent; return it with the seconds until it logged a word."""
    argv = [sys.executable, "-m", "tcu_agent", "run", "-c", str(bench.config)]
    started = time.monotonic()
    program = await bench.ensemble.start(Command(name="agent", argv=argv, ready=f'"{word}"'))
    return program, time.monotonic() - started


async def _play(rounds: int) -> list[Figure]:
    listening, connected, quiet, busy, memory = [], [], [], [], []
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tcu-benchmark-", dir=ROOT / "build") as folder:
        async with _bench(Path(folder)) as bench:
            for _ in range(rounds):
                _, seconds = await _start(bench, "listening")
                listening.append(seconds)
                await bench.ensemble.stop("agent")
            for _ in range(rounds):
                program, seconds = await _start(bench, "connected")
                connected.append(seconds)
                quiet.append(await _share(program, asyncio.sleep(QUIET_S)))
                busy.append(await _share(program, _play_drive(bench.node)))
                memory.append(resident_kib(program.pid))
                await bench.ensemble.stop("agent")
    return [
        Figure(name="start to listening on CAN", value=median(listening), unit="s"),
        Figure(name="start to connected", value=median(connected), unit="s"),
        Figure(name="processor share, bus quiet", value=100 * median(quiet), unit="% of a core"),
        Figure(name="processor share, bus busy", value=100 * median(busy), unit="% of a core"),
        Figure(
            name="resident memory after it, with SQLite and MQTT", value=median(memory), unit="KiB"
        ),
    ]


async def _share(program: Program, meanwhile: Awaitable[None]) -> float:
    before, started = _cpu_s(program.pid), time.monotonic()
    await meanwhile
    return (_cpu_s(program.pid) - before) / (time.monotonic() - started)


async def _play_drive(node: InProcessNode) -> None:
    """Play the beginning of the recording at its own pace: 2,013 frames a second."""
    what = frames(BUSY_S)
    offset = time.monotonic() - what[0].timestamp_s
    for frame in what:
        if (left_s := frame.timestamp_s + offset - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        await node.send(
            Frame(
                arbitration_id=frame.arbitration_id,
                data=frame.data,
                is_extended_id=frame.is_extended_id,
            )
        )


def _cpu_s(pid: int) -> float:
    """Return what a process has used, user and system. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def measure(rounds: int) -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_play(min(rounds, MOST_ROUNDS)))
