"""What the judge sees of a run, kept as it comes: frames, messages, commits, sealings, each with its true time.

All of it also enters the trace, whose hash tells whether two runs were the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from typing_extensions import override

from tcu_agent.ports import CanFrame, StoredPosition
from tcu_agent.protocol.messages import Event, Result
from tcu_sim.bench.broker import Publication
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tcu_sim.bench.fuse import Fuse, FusedState
from tcu_sim.bench.oracle import Command, LockStatus
from tcu_sim.bench.recorder import LOCK_SIGNALS, LOCKS
from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.database import Database, Decoded
from tcu_sim.vehicle.e2e import crc8
from tcu_sim.vehicle.reference import E2E_DATA_IDS
from tcu_sim.wire.numbers import Lock

COMMAND, STATUS, FIX = "CentralLockCommand", "DoorLockStatus", "GnssPosition"
RANDOM_BYTES_IN = ("up/position",)
"""HPKE draws a key of its own for each position: these bytes are the only ones that differ between two runs."""
Now = Callable[[], float]


class Trace:
    """Everything that happened, in order; two runs are the same if their hashes are."""

    def __init__(self, now: Now) -> None:
        self.lines: list[str] = []
        self.now = now

    def add(self, text: str) -> None:
        """Note one thing with its true time."""
        self.lines.append(f"{self.now():.6f} {text}")

    def hash(self) -> str:
        """Return 16 hexadecimal digits."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction that is on the disk since a true time (s)."""

    at: float
    puts: Mapping[str, bytes | None]
    append: tuple[Result | Event, ...]


class WatchedState(FusedState):
    """Durable state behind a fuse; notes every transaction that got through."""

    def __init__(self, *, now: Now, fuse: Fuse, trace: Trace) -> None:
        super().__init__(now=now, fuse=fuse)
        self.commits: list[Commit] = []
        self._trace = trace

    @override
    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it or nothing."""
        appended, number = tuple(append), len(self.commits)
        try:
            super().commit(puts=puts, append=appended, acknowledged=acknowledged)
        except BaseException:
            # A cut right after the transaction leaves it on the disk.
            if all(each.seq in self.messages for each in appended) and (appended or puts):
                self._note_if_durable(puts, appended)
            raise
        if len(self.commits) == number:
            self._note(puts, appended)

    @override
    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position and `puts`."""
        super().put_position(position, puts=puts)
        if puts:
            self._note(puts, ())
        self._trace.add(f"sealed {position.case_id.hex()[:8]} {position.seq}")

    @override
    def committed(self) -> int:
        """Return how many transactions are on the disk."""
        return len(self.commits)

    def _note_if_durable(
        self, puts: Mapping[str, bytes | None], appended: tuple[Result | Event, ...]
    ) -> None:
        if all(self.values.get(key) == value for key, value in puts.items()):
            self._note(puts, appended)

    def _note(self, puts: Mapping[str, bytes | None], appended: tuple[Result | Event, ...]) -> None:
        self.commits.append(Commit(self._trace.now(), dict(puts), appended))
        words = [f"{key}={_digest(value) if value else None}" for key, value in puts.items()]
        self._trace.add(f"commit {' '.join(words)} {[each.seq for each in appended]}")


class Watch(InMemoryCanPort):
    """Hears every frame on the bus and keeps what is judged; hears every publication."""

    def __init__(
        self, *, bus: InMemoryBus, database: Database, state: WatchedState, trace: Trace
    ) -> None:
        super().__init__(bus=bus)
        self.commands: list[Command] = []
        self.statuses: list[LockStatus] = []
        self.positions: set[tuple[int, int]] = set()
        self.sent_commands: list[bytes] = []
        """The bytes of each command of the agent."""
        self.is_intruder = False
        """Who sends just now is not of this car."""
        self.trace = trace
        self._database = database
        self._state = state
        self._now = trace.now
        self._seen: dict[int, bytes] = {}
        self._names = {database.arbitration_id(name): name for name in (COMMAND, STATUS, FIX)}

    @override
    def hear(self, frame: CanFrame) -> None:
        """Note one frame, if it is one of those that are judged and says something new."""
        name = self._names.get(frame.arbitration_id)
        if name is None or frame.is_extended_id or frame.is_error_frame or frame.is_remote_frame:
            return
        if name == STATUS and not _is_intact(frame.data):
            return
        if name == COMMAND and self.is_intruder:
            self.trace.add(f"can intruder's command {frame.data.hex()}")
            return
        if name != COMMAND and self._seen.get(frame.arbitration_id) == frame.data:
            return
        self._seen[frame.arbitration_id] = frame.data
        decoded = self._database.decoded(
            Frame(arbitration_id=frame.arbitration_id, data=frame.data)
        )
        if decoded is not None:
            self._take(name, decoded, frame.data)

    def take(self, publication: Publication) -> None:
        """Note one publication in the trace."""
        tail = "/".join(publication.topic.split("/")[3:])
        what = len(publication.payload) if tail in RANDOM_BYTES_IN else _digest(publication.payload)
        self.trace.add(f"mqtt {tail} {what} {publication.retained:d}")

    def _take(self, name: str, decoded: Decoded, data: bytes) -> None:
        if name == COMMAND:
            is_unlock = decoded.signals["LockCommand"] == "UnlockAll"
            request_id = self._state.attempted().request_id(is_unlock=is_unlock)
            self.commands.append(
                Command(
                    self._now(),
                    is_unlock=is_unlock,
                    request_id=request_id,
                    commits=self._state.committed(),
                )
            )
            self.sent_commands.append(data)
            self.trace.add(f"can command {data.hex()}")
        elif name == FIX:
            pair = (decoded.signals["Latitude"], decoded.signals["Longitude"])
            self.positions.add((round(float(pair[0]) * 1e7), round(float(pair[1]) * 1e7)))
        else:
            self._take_status(decoded)

    def _take_status(self, decoded: Decoded) -> None:
        locks = tuple(LOCKS.get(str(decoded.signals[name]), Lock.UNKNOWN) for name in LOCK_SIGNALS)
        if not self.statuses or self.statuses[-1].locks != locks:
            self.statuses.append(LockStatus(self._now(), locks))
            self.trace.add(f"can locks {[lock.name for lock in locks]}")


def _is_intact(data: bytes) -> bool:
    """Whether the lock status has its CRC: what has not, says nothing."""
    return len(data) > 1 and data[0] == crc8(E2E_DATA_IDS[STATUS].to_bytes(2, "little") + data[1:])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
