"""A bus at its limit: does the agent lose a frame, what does it cost, and how soon does the centre know of a door?

The real `tcu-agent run` with mosquitto and its SQLite store on the interface that TCU_BENCH_CAN names (a vcan), else on
vcan0 of a guest. A player fills 500 kbit/s to the last bit (`load_wire`): with frames of strangers, which the kernel
leaves out; with frames that the mapping names, which it cannot; then with twice as many CAN FD frames of strangers,
which the kernel leaves out again; and with mapped CAN FD frames.
Latency runs from the kernel's stamp of the first frame that shows a door's new position to the arrival of the signed,
stored event at a subscriber of the broker; the mapping's debounce of 50 ms is in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from benchmarks.bus_cost_socketcan import INTERFACE, in_guest
from benchmarks.drive import ROOT
from benchmarks.figures import Figure
from benchmarks.load_agent import COUNTED
from benchmarks.load_centre import LoadCentre, load_centre
from benchmarks.load_doors import MESSAGE, PATHS, DoorWatch, Moved, latencies_s, watched_doors
from benchmarks.load_player import Played, prepare
from benchmarks.load_wire import Kind, full_bus
from benchmarks.place import CAR, ENVIRONMENT, configuration, make_keys
from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.selection import select
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_sim.demo.broker import start_broker
from tcu_sim.demo.processes import Command, Ensemble, Program

SECONDS: Final = 15.0
MOST_ROUNDS: Final = 3
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ON_TIME: Final = 0.98
"""Less than that of the frames a second, and the bus was not full."""
_ARRIVE_S: Final = 5.0
"""For the last event, on a machine that is behind."""
_LOOK_S: Final = 0.1
_SETTLE_S: Final = 1.0
"""For the last frames: an agent that is ended as they come leaves them unread, and they would count as lost."""
_CONNECT_S: Final = 20.0
_PATIENCE: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `cpu`: share of a core; `latencies_ms`: one of each change that was told; `changes`: of the door."""

    played: Played
    counters: BusCounters
    cpu: float
    latencies_ms: Sequence[float]
    changes: int

    @property
    def lost(self) -> int:
        """Frames that the agent should have got and has not used, by whichever count says more."""
        return max(self.counters.dropped, self.played.wanted - self.counters.received)


def measure(rounds: int) -> Iterator[Figure]:
    """Yield the figures of each kind of bus."""
    channel = os.environ.get(INTERFACE)
    if channel is None:
        yield from in_guest("load", min(rounds, MOST_ROUNDS))
        return
    for kind in Kind:
        yield from _figures(kind, [_once(channel, kind, seed) for seed in range(rounds)])


def _figures(kind: Kind, runs: Sequence[Run]) -> Iterator[Figure]:
    name = kind.value
    asked = median(run.played.frames / run.played.asked_s for run in runs)
    sent = median(run.played.frames / run.played.took_s for run in runs)
    lost = sum(run.lost for run in runs)
    missed = sum(run.changes - len(run.latencies_ms) for run in runs)
    latencies = sorted(each for run in runs for each in run.latencies_ms)
    yield Figure(
        name=f"{name}: sent",
        value=sent,
        unit="frames/s",
        target=round(asked),
        met=sent >= _ON_TIME * asked,
    )
    late_ms = 1000 * max(run.played.latest_s for run in runs)
    yield Figure(name=f"{name}: player late by up to", value=late_ms, unit="ms")
    yield Figure(name=f"{name}: lost", value=lost, unit="frames", target=0, met=lost == 0)
    yield Figure(name=f"{name}: untold", value=missed, unit="doors", target=0, met=missed == 0)
    cpu = 100 * median(run.cpu for run in runs)
    yield Figure(name=f"{name}: processor share", value=cpu, unit="% of a core")
    if len(latencies) > 1:
        percent = quantiles(latencies, n=100, method="inclusive")
        yield Figure(name=f"{name}: event latency p50", value=percent[49], unit="ms")
        yield Figure(name=f"{name}: event latency p99", value=percent[98], unit="ms")


def _once(channel: str, kind: Kind, seed: int) -> Run:
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tcu-benchmark-", dir=ROOT / "build") as folder:
        return asyncio.run(_run(Path(folder), channel, kind, seed))


@dataclass(slots=True, kw_only=True)
class _Stage:
    ensemble: Ensemble
    config: Path
    centre: LoadCentre
    told: list[str]
    """Lines of the agent."""

    async def start_agent(self) -> Program:
        """Start it and return when it is connected and subscribed."""
        argv = [sys.executable, "-m", "benchmarks.load_agent", "run", "-c", str(self.config)]
        agent = Command(name="agent", argv=argv, ready='"listening"', on_line=self.told.append)
        program = await self.ensemble.start(agent)
        async with asyncio.timeout(_CONNECT_S * _PATIENCE):
            await self.centre.online.wait()
        await self.centre.subscribe_car()
        return program

    def counters(self) -> BusCounters:
        """Return what the agent's port counted, once it has ended."""
        said = [line for line in self.told if line.startswith(COUNTED)]
        return BusCounters(**json.loads(said[-1].removeprefix(COUNTED)))


@asynccontextmanager
async def _stage(folder: Path, channel: str, kind: Kind) -> AsyncIterator[_Stage]:
    layout = make_keys(folder)
    async with Ensemble(folder / "logs", patience=_PATIENCE) as ensemble:
        broker = await start_broker(ensemble, folder)
        text = configuration(folder, layout, broker, can_address=f"socketcan:{channel}")
        config = folder / "tcu.toml"
        config.write_text(_configured(text, kind), encoding="utf-8")
        async with load_centre(
            layout, vehicle_id=CAR, environment=ENVIRONMENT, port=broker.port
        ) as centre:
            yield _Stage(ensemble=ensemble, config=config, centre=centre, told=[])


def _configured(text: str, kind: Kind) -> str:
    """Log as much as a board does, and listen to CAN FD where it is sent."""
    text = text.replace('level = "debug"', 'level = "info"')
    return text.replace("[can.bus.body]", "[can.bus.body]\nfd = true") if kind.is_fd else text


async def _run(folder: Path, channel: str, kind: Kind, seed: int) -> Run:
    mapping = load_mapping(ROOT / "dbc" / "reference.toml")
    ((name, bus),) = mapping.buses.items()
    wanted = select(mapping, name).wanted or frozenset()
    frames = folder / "frames"
    prepare(frames, full_bus(seconds=SECONDS, wanted=wanted, kind=kind, seed=seed))
    async with _stage(folder, channel, kind) as stage:
        program = await stage.start_agent()
        with watched_doors(channel, bus.message(MESSAGE).frame_id) as watch:
            before = _cpu_s(program.pid)
            played = await _play(channel, frames)
            cpu = (_cpu_s(program.pid) - before) / played.took_s
            latencies_ms = await _latencies_ms(stage.centre, watch)
        await stage.ensemble.stop("agent")
        return Run(
            played=played,
            counters=stage.counters(),
            cpu=cpu,
            latencies_ms=latencies_ms,
            changes=len(watch.moved),
        )


async def _play(channel: str, frames: Path) -> Played:
    argv = ("-m", "benchmarks.load_player", channel, str(frames))
    player = await asyncio.create_subprocess_exec(
        sys.executable, *argv, cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert player.stdout is not None  # noqa: S101 -- it was asked for
    await player.stdout.readline()
    said, _ = await player.communicate(b"\n")
    if player.returncode:
        raise SystemExit(f"the player ended with status {player.returncode}")
    return Played(**json.loads(said))


async def _latencies_ms(centre: LoadCentre, watch: DoorWatch) -> list[float]:
    """Return the latency of each movement, once all were told or none comes any more."""
    found: list[float] = []
    await asyncio.sleep(_SETTLE_S)
    for _ in range(round(_ARRIVE_S / _LOOK_S)):
        found = latencies_s(watch.moved, _told(centre))
        if len(found) == len(watch.moved):
            break
        await asyncio.sleep(_LOOK_S)
    return [1000 * each for each in found]


def _told(centre: LoadCentre) -> list[Moved]:
    return [
        Moved(each.at_s, path, bool(each.event.values[path]))
        for each in centre.arrived
        for path in PATHS
        if each.event.values.get(path) is not None
    ]


def _cpu_s(pid: int) -> float:
    """Return what a process has used, user and system. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
