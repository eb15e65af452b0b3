"""Resident memory of the agent in one process over an hour's worth of the recording, as fast as it can take it.

Its state is in memory and it has no network: neither SQLite nor MQTT is in the figure. `footprint` has a real process.

`python -m benchmarks.endurance SECONDS` prints a JSON list from a process of its own: KiB after a sixth of the time, by
when every cache is warm, and at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.drive import case, frames
from benchmarks.figures import Figure
from tcu_agent.adapters.clock import SystemClock
from tcu_agent.adapters.entropy import SystemEntropy
from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.adapters.storage.volatile_state import VolatileState
from tcu_agent.core.settings import CoreSettings
from tcu_agent.errors import MqttTransportError
from tcu_agent.ports import CanFrame, Inbound
from tcu_agent.runtime.agent import Agent, Car, World
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.agent_run import BenchSigner
from tcu_sim.bench.light_centre import seeded_key
from tcu_sim.fleet.measures import resident_kib

HOUR_S: Final = 3600.0
MOST_GROWTH_KIB: Final = 1024.0
"""What counts as not growing: the allocator's own noise is some hundred KiB."""
_WARM: Final = 1 / 6
_BATCH_FRAMES: Final = 512


class _Replay:
    """A CAN port that plays the recording again and again; its time goes on, however fast."""

    name = "vehicle"

    def __init__(self, what: Sequence[CanFrame], seconds: float) -> None:
        self.taken: list[int] = []
        """Memory, KiB, when a sixth of the time had been played and at the end."""
        self.ended = asyncio.Event()
        self._batches = self._played(what, seconds)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Nothing is asked of this car."""

    async def receive(self) -> Sequence[CanFrame]:
        """Return the next frames; at the end of the time nothing more comes."""
        await asyncio.sleep(0)
        batch = next(self._batches, None)
        if batch is None:
            self.ended.set()
            await asyncio.Event().wait()
            return ()
        return batch

    def _played(self, what: Sequence[CanFrame], seconds: float) -> Iterator[Sequence[CanFrame]]:
        length_s = what[-1].timestamp_s - what[0].timestamp_s + 0.001
        offset_s = SystemClock().boottime() - what[0].timestamp_s
        for lap in range(round(seconds / length_s)):
            shift_s = offset_s + lap * length_s
            for first in range(0, len(what), _BATCH_FRAMES):
                batch = what[first : first + _BATCH_FRAMES]
                yield [replace(each, timestamp_s=each.timestamp_s + shift_s) for each in batch]
            if not self.taken and (lap + 1) * length_s >= seconds * _WARM:
                self.taken.append(resident_kib(os.getpid()))
        self.taken.append(resident_kib(os.getpid()))


class _NoLink:
    """A car without a network."""

    async def connect(self, *, connection: int, will: bytes) -> bool:  # noqa: ARG002 -- the port's
        """Refuse."""
        raise MqttTransportError("no network", may_have_happened=False, temporary=True)

    async def messages(self) -> AsyncIterator[Inbound]:
        """Bring nothing."""
        nothing: tuple[Inbound, ...] = ()
        for inbound in nothing:
            yield inbound

    async def publish(
        self,
        message_type: str,
        payload: bytes,
        *,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Never called without a connection."""
        raise NotImplementedError

    async def disconnect(self) -> None:
        """Nothing to end."""


async def _play(seconds: float) -> list[int]:
    port = _Replay(frames(), seconds)
    known = case("small")
    agent = Agent(
        car=Car(
            settings=CoreSettings(
                vehicle_id="car-1",
                environment="bench",
                services=frozenset(),
                locks=(),
                roots=tuple(seeded_key(name).public.raw for name in ("one", "two")),
            ),
            mapping=known.mapping,
        ),
        world=World(
            buses={known.bus: port},
            link=_NoLink(),
            state=VolatileState(),
            signer=BenchSigner(seeded_key("vehicle")),
            sealer=HpkeSealer(),
            around=Surroundings(clock=SystemClock(), entropy=SystemEntropy()),
        ),
    )
    running = asyncio.create_task(agent.run())
    await asyncio.wait(
        [running, asyncio.create_task(port.ended.wait())], return_when=asyncio.FIRST_COMPLETED
    )
    agent.stop()
    await running
    return port.taken


def measure(_: int) -> list[Figure]:
    """Return how much the agent's memory grows; once, for it takes its time."""
    command = [sys.executable, "-m", "benchmarks.endurance", str(HOUR_S)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 -- this very program
    warm_kib, end_kib = json.loads(done.stdout)
    grown_kib = end_kib - warm_kib
    return [
        Figure(
            name="resident memory after an hour of the recording, without SQLite and MQTT",
            value=end_kib,
            unit="KiB",
        ),
        Figure(
            name="growth from 10 minutes to an hour of the recording",
            value=grown_kib,
            unit="KiB",
            target=MOST_GROWTH_KIB,
            met=grown_kib <= MOST_GROWTH_KIB,
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_play(float(sys.argv[1])))))
