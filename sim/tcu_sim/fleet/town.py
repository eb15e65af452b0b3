"""Broker, centre and yards of one run, each a process of its own, and what the yards say."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.centre.client import Client, open_client
from tcu_sim.demo.broker import free_port
from tcu_sim.demo.processes import Command, Ensemble
from tcu_sim.errors import SimulatorError
from tcu_sim.fleet.broker import BROKER, start_broker
from tcu_sim.fleet.measures import resident_kib
from tcu_sim.fleet.yard import READY
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.layout import SERVICES, Layout

ENVIRONMENT = "fleet"
CARS_IN_A_YARD = 250
"""A process of Python uses one core; with some hundred cars each both cores of a small machine are used."""
_READY_TIMEOUT_S = 300.0
_SIMULATOR = (sys.executable, "-m", "tcu_sim.cli.main")


@dataclass(slots=True, kw_only=True)
class Yard:
    """One process with cars. `empty_kib`: its memory before they lived."""

    process: Process
    vehicle_ids: Sequence[str]
    reader: asyncio.Task[None]
    empty_kib: int

    def order(self, *words: str) -> None:
        """Give an order."""
        assert self.process.stdin is not None  # noqa: S101 - PIPE was asked for
        self.process.stdin.write(f"{' '.join(words)}\n".encode())


@dataclass(slots=True, kw_only=True)
class Town:
    """Everything that runs. `connected`: when each car's link came up last, by CLOCK_MONOTONIC."""

    folder: Path
    layout: Layout
    ensemble: Ensemble
    client: Client
    port: int
    vehicle_ids: Sequence[str]
    yards: list[Yard] = field(default_factory=list)
    connected: dict[str, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, line: str) -> None:
        """Take what a yard says."""
        what, vehicle_id, moment = line.split()
        if what == "connected":
            self.connected[vehicle_id] = float(moment)
            self.news.set()

    async def all_connected(self, *, since_s: float, timeout_s: float) -> list[float]:
        """Wait until each car has connected after `since_s`; return when each did, of as many as did in time."""

        def moments() -> list[float]:
            return [moment for moment in self.connected.values() if moment >= since_s]

        try:
            async with asyncio.timeout(timeout_s):
                while len(moments()) < len(self.vehicle_ids):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pass
        return moments()

    def go(self) -> float:
        """Let all cars live; return when."""
        started_s = time.monotonic()
        for yard in self.yards:
            yard.order("go")
        return started_s

    def press(self, vehicle_ids: Sequence[str]) -> float:
        """Let somebody press ON CALL in these cars, all at once; return when."""
        wanted, started_s = set(vehicle_ids), time.monotonic()
        for yard in self.yards:
            yard.order("press", *(each for each in yard.vehicle_ids if each in wanted))
        return started_s

    async def kill_broker(self) -> float:
        """End the broker as a power cut would: it stores nothing any more; return when."""
        started_s, process = time.monotonic(), self.ensemble.programs[BROKER].process
        process.kill()
        await process.wait()
        await self.ensemble.stop(BROKER)
        return started_s

    async def start_broker(self) -> None:
        """Start the broker again on what it has stored: what is younger than its last look at its store is gone."""
        await start_broker(self.ensemble, self.folder, self.port)

    def pid(self, name: str) -> int:
        """Return a program's process id."""
        return self.ensemble.programs[name].pid

    def memory_kib(self) -> tuple[float, int, int]:
        """Return what one car, the broker and the centre's services take."""
        grown = sum(resident_kib(yard.process.pid) - yard.empty_kib for yard in self.yards)
        services = sum(resident_kib(self.pid(f"centre-{name}")) for name in SERVICES)
        return grown / len(self.vehicle_ids), resident_kib(self.pid(BROKER)), services


@asynccontextmanager
async def open_town(folder: Path, *, cars: int) -> AsyncIterator[Town]:
    """Make the keys of a fleet and start broker, centre and yards; the cars wait for `go`.

    Raises:
        SimulatorError: a part does not start.
    """
    vehicle_ids = [f"car-{number}" for number in range(1, cars + 1)]
    (folder / "logs").mkdir(parents=True)
    layout = initialise(folder / "centre", Plan(vehicles=vehicle_ids, environment=ENVIRONMENT))
    port = free_port()
    async with Ensemble(folder / "logs") as ensemble, AsyncExitStack() as stack:
        await start_broker(ensemble, folder, port)
        await asyncio.gather(*(_start_service(ensemble, layout, name, port) for name in SERVICES))
        client = await stack.enter_async_context(open_client(layout))
        town = Town(
            folder=folder,
            layout=layout,
            ensemble=ensemble,
            client=client,
            port=port,
            vehicle_ids=vehicle_ids,
        )
        for first in range(0, cars, CARS_IN_A_YARD):
            yard = await _start_yard(town, vehicle_ids[first : first + CARS_IN_A_YARD])
            town.yards.append(yard)
            stack.push_async_callback(_end, yard)
        yield town


async def _start_service(ensemble: Ensemble, layout: Layout, name: str, port: int) -> None:
    argv = [*_SIMULATOR, "centre", name, "--dir", str(layout.root), "--broker-port", str(port)]
    argv.append("--quick-hashes")
    await ensemble.start(Command(name=f"centre-{name}", argv=argv, ready="ready at"))


async def _start_yard(town: Town, vehicle_ids: Sequence[str]) -> Yard:
    argv = [sys.executable, "-m", "tcu_sim.fleet.yard"]
    argv += [str(town.layout.root), ENVIRONMENT, str(town.port), *vehicle_ids]
    log = town.folder / "logs" / f"yard-{len(town.yards) + 1}.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=stream
        )
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    async with asyncio.timeout(_READY_TIMEOUT_S):
        word, _, empty_kib = (await process.stdout.readline()).decode().partition(" ")
    if word != READY:
        process.kill()
        await process.wait()
        raise SimulatorError(f"a yard of cars did not start:\n{log.read_text()[-2000:]}")
    return Yard(
        process=process,
        vehicle_ids=vehicle_ids,
        reader=asyncio.create_task(_listen(town, process.stdout)),
        empty_kib=int(empty_kib),
    )


async def _listen(town: Town, output: asyncio.StreamReader) -> None:
    async for line in output:
        town.hear(line.decode())


async def _end(yard: Yard) -> None:
    """End it by the end of its input, or by its id."""
    assert yard.process.stdin is not None  # noqa: S101 - PIPE was asked for
    yard.process.stdin.close()
    try:
        async with asyncio.timeout(30):
            await yard.process.wait()
    except TimeoutError:
        yard.process.kill()
        await yard.process.wait()
    yard.reader.cancel()
    await asyncio.wait([yard.reader])
