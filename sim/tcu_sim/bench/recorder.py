"""What a simulated run leaves behind for the oracle: frames, messages and sealings, each with its true time.

True time goes on through suspends and restarts of the board, whose own CLOCK_BOOTTIME begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from typing_extensions import override

from tcu_agent.core.durable import records
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.core.unlock.relock_record import RelockRecord
from tcu_agent.ports import CanFrame, StoredPosition
from tcu_sim.bench.broker import Publication
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tcu_sim.bench.light_centre import LightCentre
from tcu_sim.bench.oracle import Command, Evidence, LockStatus, Sealed
from tcu_sim.bench.state import InMemoryState
from tcu_sim.bus.frame import Frame
from tcu_sim.demo.place_search import is_in_clear
from tcu_sim.vehicle.database import Database, Decoded
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Lock

LOCK_SIGNALS = ("LockFrontLeft", "LockFrontRight", "LockRearLeft", "LockRearRight", "LockTailgate")
LOCKS = {"Unlocked": Lock.UNLOCKED, "Locked": Lock.LOCKED}
RESULT_TOPIC = "/up/result"
COMMAND = "CentralLockCommand"
Now = Callable[[], float]


class RecordingState(InMemoryState):
    """The agent's store; notes when a position is sealed into it."""

    def __init__(self, now: Now) -> None:
        super().__init__()
        self.sealings: list[Sealed] = []
        self._now = now

    @override
    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position and `puts`; the same case and seq again replaces it."""
        known = (position.case_id, position.seq) in self.sealed
        super().put_position(position, puts=puts)
        if not known:
            sealed = Sealed(self._now(), position.case_id, position.seq, self.committed())
            self.sealings.append(sealed)

    def committed(self) -> int:
        """Return how many transactions are on the disk; nobody counts them here."""
        return 0

    def attempted(self) -> Attempted:
        """Return what the disk holds now that allows a frame."""
        return Attempted(self.values.get(records.UNLOCK), self.values.get(records.RELOCK))


@dataclass(frozen=True, slots=True)
class Attempted:
    """The durable intent of an unlock and of a re-lock, as bytes; None = there is none."""

    unlock: bytes | None
    relock: bytes | None

    def request_id(self, *, is_unlock: bool) -> bytes:
        """Return whose attempt is on the disk, marked as one whose frame may be out; empty if nobody's."""
        if is_unlock:
            intent = UnlockIntent.from_bytes(self.unlock) if self.unlock is not None else None
            return intent.common.request_id if intent is not None and intent.is_firing else b""
        record = RelockRecord.from_bytes(self.relock) if self.relock is not None else None
        return record.request_id if record is not None and record.is_attempted else b""


NOT_LOOKED_AT = Attempted(None, None)


class Ear(InMemoryCanPort):
    """Hears every frame on the bus and never sends one; at each command it looks at the disk in that moment."""

    def __init__(
        self, *, bus: InMemoryBus, now: Now, state: RecordingState, command_id: int
    ) -> None:
        super().__init__(bus=bus)
        self.frames: list[tuple[float, CanFrame, Attempted]] = []
        self._now = now
        self._state = state
        self._command_id = command_id

    @override
    def hear(self, frame: CanFrame) -> None:
        """Note one frame."""
        is_command = frame.arbitration_id == self._command_id
        disk = self._state.attempted() if is_command else NOT_LOOKED_AT
        self.frames.append((self._now(), frame, disk))


class Recorder:
    """Follows one bus, one broker and one disk."""

    def __init__(
        self, *, bus: InMemoryBus, database: Database, now: Now, state: RecordingState
    ) -> None:
        self.messages: list[tuple[float, Publication]] = []
        self._state = state
        self._ear = Ear(bus=bus, now=now, state=state, command_id=database.arbitration_id(COMMAND))
        bus.attach(self._ear)
        self._database = database
        self._now = now

    def take(self, publication: Publication) -> None:
        """Note one publication."""
        self.messages.append((self._now(), publication))

    def commands(self) -> list[Command]:
        """Return every central locking command that was on the bus."""
        found: list[Command] = []
        for at, decoded, disk in self._decoded(COMMAND):
            is_unlock = decoded.signals["LockCommand"] == "UnlockAll"
            request_id = disk.request_id(is_unlock=is_unlock)
            found.append(Command(at, is_unlock=is_unlock, request_id=request_id))
        return found

    def statuses(self) -> list[LockStatus]:
        """Return the lock status each time it changed."""
        found: list[LockStatus] = []
        for at, decoded, _ in self._decoded("DoorLockStatus"):
            locks = tuple(
                LOCKS.get(str(decoded.signals[name]), Lock.UNKNOWN) for name in LOCK_SIGNALS
            )
            if not found or found[-1].locks != locks:
                found.append(LockStatus(at, locks))
        return found

    def evidence(self, centre: LightCentre) -> Evidence:
        """Return all that the oracle judges."""
        return Evidence(
            ledger=centre.ledger,
            commands=self.commands(),
            statuses=self.statuses(),
            sealed=self._state.sealings,
            results=list(self._results(centre)),
            published_in_clear=self._in_clear(),
        )

    def _results(self, centre: LightCentre) -> Iterator[tuple[float, m.Result]]:
        for at, publication in self.messages:
            if publication.topic.endswith(RESULT_TOPIC):
                yield at, centre.heard.open(publication.payload, m.Result).message

    def _in_clear(self) -> int:
        positions = {
            (
                round(float(each.signals["Latitude"]) * 1e7),
                round(float(each.signals["Longitude"]) * 1e7),
            )
            for _, each, _ in self._decoded("GnssPosition")
        }
        return sum(is_in_clear(publication.payload, positions) for _, publication in self.messages)

    def _decoded(self, name: str) -> Iterator[tuple[float, Decoded, Attempted]]:
        wanted = self._database.arbitration_id(name)
        for at, frame, disk in self._ear.frames:
            if frame.arbitration_id == wanted and not frame.is_extended_id:
                decoded = self._database.decoded(_as_frame(frame))
                if decoded is not None:
                    yield at, decoded, disk


def _as_frame(frame: CanFrame) -> Frame:
    return Frame(arbitration_id=frame.arbitration_id, data=frame.data)
