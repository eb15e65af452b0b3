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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from benchmarks.drive import ROOT
from benchmarks.figures import Figure, compared
from benchmarks.grant_stamps import STRETCHES, Stamp, Stamps, stamped
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

    def __init__(self, *, now: Now, fuse: Fuse, disk: SqliteState, stamps: Stamps) -> None:
        super().__init__(now=now, fuse=fuse)
        self.disk = disk
        self._stamps = stamps

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
        self._stamps.take(Stamp.COMMITTING)
        self.disk.commit(puts=puts, append=messages, acknowledged=acknowledged)
        self._stamps.take(Stamp.COMMITTED)
        super().commit(puts=puts, append=messages, acknowledged=acknowledged)
        self._stamps.take(Stamp.RECORDED)

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
        self.stamps = Stamps()
        super().__init__(vehicle=VehicleSettings(sleep_after_s=AWAKE_S), make=stamped(self.stamps))
        send = self.port.send

        async def timed(frame: CanFrame, *, timeout_s: float) -> None:
            if frame.arbitration_id == COMMAND_ID:
                self.stamps.take(Stamp.SENT)
            await send(frame, timeout_s=timeout_s)

        self.port.send = timed  # type: ignore[method-assign]  # to look at it, on this one object
        self.broker.watch(self._delivered)  # the last to hear: the bench has done its own by then

    def _delivered(self, publication: Publication) -> None:
        if publication.topic.endswith("/down/grant"):
            self.stamps.begin()

    @override
    def make_state(self) -> FusedState:
        """Return a state with a disk under it."""
        disk = SqliteState(self._folder / "state")
        return DurableState(now=self.now, fuse=self.fuse, disk=disk, stamps=self.stamps)

    async def unlock(self) -> tuple[float, Mapping[str, float] | None]:
        """Let the car be unlocked once; return how long its frame took, and each stretch of the way; s."""
        while self.state.needs_rest:  # as in a car that was parked some seconds ago, or days
            await self.pass_time(_STEP_S)
        request_id = await self.operator.challenged(Service.UNLOCK, unlock_parameters(None))
        grant = self.centre.grant(request_id)
        await self.pass_time(_SETTLE_S)
        self.centre.send(grant)
        await self.operator.result(request_id)
        took = self.stamps.way_s(), self.stamps.stretches_s()
        await self._lock()
        return took

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

    def measure_s(self) -> tuple[float, float]:
        """Return how long two verifications and one fdatasync take now, together and the verifications alone."""
        page = os.urandom(_PAGE_BYTES)
        with self._file.open("r+b", buffering=0) as stream:
            started = time.perf_counter()
            for _ in range(_SIGNATURES):
                self._public.verify(self._signature, self._data, _HASH)
            verified = time.perf_counter()
            stream.write(page)
            os.fdatasync(stream.fileno())
            return time.perf_counter() - started, verified - started


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One unlock and the floor beside it, s. `stretches`: None where something else came in between."""

    way_s: float
    stretches: Mapping[str, float] | None
    floor_s: float
    verifying_s: float


async def _play(folder: Path, rounds: int) -> list[_Round]:
    played: list[_Round] = []
    world, floor = _TimedWorld(folder), _Floor(folder / "floor")
    world.centre.keys = {role: generate(ES256) for role in Role}
    async with world:
        for _ in range(rounds + _WARM_UP):
            await world.pass_time(_SETTLE_S)
            floor_s, verifying_s = floor.measure_s()
            way_s, stretches = await world.unlock()
            played.append(
                _Round(way_s=way_s, stretches=stretches, floor_s=floor_s, verifying_s=verifying_s)
            )
    if complaints := world.complaints():
        raise SystemExit(f"the oracle complains: {complaints}")
    return played[_WARM_UP:]


def measure(rounds: int) -> Iterator[Figure]:
    """Yield the figure, what the floor is made of, and how long each stretch of the way takes."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tcu-benchmark-", dir=ROOT / "build") as folder:
        played = asyncio.run(_play(Path(folder), rounds * _UNLOCKS_A_ROUND))
    yield compared(
        "grant to frame",
        ours=[1000 * each.way_s for each in played],
        others=[1000 * each.floor_s for each in played],
        unit="ms",
        against="two signature verifications and one fdatasync",
        target=TARGET,
    )
    yield _median("floor: both verifications", [each.verifying_s for each in played])
    yield _median(
        "floor: fdatasync of a page", [each.floor_s - each.verifying_s for each in played]
    )
    whole = [each.stretches for each in played if each.stretches is not None]
    if not whole:
        raise SystemExit("no grant went its way without something else in between")
    for name in STRETCHES:
        yield _median(f"way: {name}", [each[name] for each in whole])
    yield Figure(name="way: grants with all stamps", value=len(whole), unit=f"of {len(played)}")


def _median(name: str, lengths_s: Sequence[float]) -> Figure:
    return Figure(name=name, value=1000 * median(lengths_s), unit="ms")
