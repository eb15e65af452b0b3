"""How long from a grant's arrival to the unlock frame, against what nobody can save: two signatures and one fdatasync.

The whole agent with its SQLite store on the disk, the virtual vehicle on a bus in memory, real time. A grant arrives
when the broker in memory hands it to the agent's link; the frame is handed over when the CAN port is given it. MQTT and
the kernel's CAN are outside: they would be the same for any agent. Floor and agent take turns, on the same disk.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from benchmarks.drive import ROOT
from benchmarks.figures import Figure, compared
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.ports import CanFrame, StoredPosition
from tcu_agent.protocol.messages import Event, Result
from tcu_sim.bench.broker import Publication
from tcu_sim.bench.fuse import COMMAND_ID, Fuse, FusedState
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.recorder import Now
from tcu_sim.bench.world import World
from tcu_sim.vehicle.reference import LockPosition
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire.keys import ES256, generate
from tcu_sim.wire.numbers import Role, Service

TARGET: Final = 0.5
"""At most twice the floor."""
AWAKE_S: Final = 600.0
_STEP_S: Final = 0.02
_SETTLE_S: Final = 0.3
"""For what the round before has left: an acknowledgement that is made durable just then is no part of this path."""
_PAGE_BYTES: Final = 4096
"""What SQLite writes at least."""
_ALLOCATED_BYTES: Final = 1 << 20
_SIGNATURES: Final = 2
_WARM_UP: Final = 2
_UNLOCKS_A_ROUND: Final = 4
_HASH: Final = ec.ECDSA(hashes.SHA256())


class DurableState(FusedState):
    """What the bench keeps for its oracle, and beside it the agent's own store on the disk."""

    def __init__(self, *, now: Now, fuse: Fuse, disk: SqliteState) -> None:
        super().__init__(now=now, fuse=fuse)
        self.disk = disk
        self.commits: list[tuple[float, float]] = []
        """Begin and end of each on the disk, s."""

    def spent_s(self, started: float, ended: float) -> float:
        """Return how long commits took between two moments."""
        return sum(to - since for since, to in self.commits if started <= since and to <= ended)

    @override
    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it on the disk too, before anybody is told."""
        messages = tuple(append)
        started = time.perf_counter()
        self.disk.commit(puts=puts, append=messages, acknowledged=acknowledged)
        self.commits.append((started, time.perf_counter()))
        super().commit(puts=puts, append=messages, acknowledged=acknowledged)

    @override
    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Do it on the disk too."""
        self.disk.put_position(position, puts=puts)
        super().put_position(position, puts=puts)

    @override
    def erase_positions(self, case_id: bytes, up_to_seq: int | None) -> None:
        """Do it on the disk too."""
        self.disk.erase_positions(case_id, up_to_seq)
        super().erase_positions(case_id, up_to_seq)

    @override
    def watch(self, committed: Callable[[frozenset[str]], None]) -> None:
        """Let the disk say when it has something to do in a quiet moment."""
        self.disk.watch(committed)

    @property
    @override
    def needs_rest(self) -> bool:
        """As the disk says."""
        return self.disk.needs_rest

    @property
    @override
    def is_log_full(self) -> bool:
        """As the disk says."""
        return self.disk.is_log_full

    @override
    def rest(self) -> None:
        """Put the disk in order: a store that never rests is not the agent's."""
        self.disk.rest()


class _TimedWorld(World):
    """Notes when a grant came and when an unlock frame went."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.frame_at = 0.0
        super().__init__(vehicle=VehicleSettings(sleep_after_s=AWAKE_S))
        send = self.port.send

        async def timed(frame: CanFrame, *, timeout_s: float) -> None:
            if frame.arbitration_id == COMMAND_ID:
                self.frame_at = time.perf_counter()
            await send(frame, timeout_s=timeout_s)

        self.port.send = timed  # type: ignore[method-assign]  # to look at it, on this one object
        self.grant_at = 0.0
        deliver = self.link.deliver

        def stamped(publication: Publication) -> None:
            if publication.topic.endswith("/down/grant"):
                self.grant_at = time.perf_counter()
            deliver(publication)

        self.link.deliver = stamped  # type: ignore[method-assign]  # the same

    @override
    def make_state(self) -> FusedState:
        """Return a state with a disk under it."""
        self.durable = DurableState(
            now=self.now, fuse=self.fuse, disk=SqliteState(self._folder / "state")
        )
        return self.durable

    async def grant_to_frame_s(self) -> tuple[float, float]:
        """Let the car be unlocked once; return how long the frame took, and how much of it was the store's commit."""
        request_id = await self.operator.challenged(Service.UNLOCK, unlock_parameters(None))
        grant = self.centre.grant(request_id)
        await self.pass_time(_SETTLE_S)
        self.centre.send(grant)
        await self.operator.result(request_id)
        await self._lock()
        spent_s = self.durable.spent_s(self.grant_at, self.frame_at)
        return self.frame_at - self.grant_at, spent_s

    async def _lock(self) -> None:
        """Let the owner lock the car, as before."""
        vehicle = self.car.vehicle
        self.car.do(lambda now: self.car.person.lock(now=now))
        while any(lock is not LockPosition.LOCKED for lock in vehicle.locks.values()):
            await self.pass_time(_STEP_S)


class _Floor:
    """What is left when everything else is free: one page of a file that has its room already, and two signatures.

    A file that grows would make the floor dearer: its length and its blocks would have to become durable too.
    """

    def __init__(self, file: Path) -> None:
        self._data = os.urandom(300)
        key = ec.generate_private_key(ec.SECP256R1())
        self._signature = key.sign(self._data, _HASH)
        self._public = key.public_key()
        self._file = file
        with file.open("wb") as stream:
            stream.write(os.urandom(_ALLOCATED_BYTES))  # written, not only reserved
            stream.flush()
            os.fsync(stream.fileno())

    def measure_s(self) -> float:
        """Return how long two verifications and one fdatasync take now."""
        page = os.urandom(_PAGE_BYTES)
        with self._file.open("r+b", buffering=0) as stream:
            started = time.perf_counter()
            for _ in range(_SIGNATURES):
                self._public.verify(self._signature, self._data, _HASH)
            stream.write(page)
            os.fdatasync(stream.fileno())
            return time.perf_counter() - started


async def _play(folder: Path, rounds: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Return of each round what the agent took with what of it was the commit, and the floor; s."""
    ours, floors = [], []
    world, floor = _TimedWorld(folder), _Floor(folder / "floor")
    world.centre.keys = {role: generate(ES256) for role in Role}
    async with world:
        for _ in range(rounds + _WARM_UP):
            floors.append(floor.measure_s())
            ours.append(await world.grant_to_frame_s())
    if complaints := world.complaints():
        raise SystemExit(f"the oracle complains: {complaints}")
    return ours[_WARM_UP:], floors[_WARM_UP:]


def measure(rounds: int) -> list[Figure]:
    """Return the figure, and how much of it is the store's commit."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tcu-benchmark-", dir=ROOT / "build") as folder:
        ours, floors = asyncio.run(_play(Path(folder), rounds * _UNLOCKS_A_ROUND))
    return [
        compared(
            "grant to frame",
            ours=[1000 * path_s for path_s, _ in ours],
            others=[1000 * each for each in floors],
            unit="ms",
            against="two signature verifications and one fdatasync",
            target=TARGET,
        ),
        Figure(
            name="of it, the store's commit before the frame",
            value=1000 * median(commit_s for _, commit_s in ours),
            unit="ms",
        ),
        Figure(
            name="share of the commit",
            value=100 * median(commit_s / path_s for path_s, commit_s in ours),
            unit="%",
        ),
    ]
