"""One durable sequence of results and events: what was given a number reaches the centre or is accounted for.

A number and its message become durable in the same transaction, so no number is lost by a crash. The stream id is made
with the durable state: new state, new stream, and an acknowledgement of another stream erases nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tcu_agent.core.durable import records
from tcu_agent.core.events import Value
from tcu_agent.core.reports.classes import class_of
from tcu_agent.core.reports.values import told
from tcu_agent.core.step import Step
from tcu_agent.errors import BugError
from tcu_agent.protocol.messages import Common, Event, Result
from tcu_agent.protocol.vocabulary import EventKind, LockState, Outcome, Reason, Relock

SCHEMA = 1
OUTSIDE_THE_STREAM = 0
"""Seq of an ON CALL event that is sent beside the stream, whatever holds that up: never stored, never acknowledged."""


class Journal:
    """Gives out sequence numbers and builds what carries them."""

    def __init__(self, *, vehicle_id: str, boot_id: bytes, stream_id: bytes) -> None:
        self._vehicle_id = vehicle_id
        self._boot_id = boot_id
        self.stream_id = stream_id
        self.last_seq = 0
        self.acknowledged = 0
        self._is_unreadable = False
        """The stored record stays as it is: with another one in its place the next start would believe the state."""
        self._protected: tuple[int, float] | None = None
        """Number of the last message of a protected class, and when it was made."""

    @property
    def awaits_since(self) -> float | None:
        """When the last message of a protected class was made, CLOCK_BOOTTIME, s; None = the centre has all of them.

        Not durable: each start of the agent makes one.
        """
        if self._protected is None or self._protected[0] <= self.acknowledged:
            return None
        return self._protected[1]

    def restore(self, record: bytes) -> None:
        """Go on with the stored stream.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        self._is_unreadable = True
        reader = records.RecordReader(record, key=records.JOURNAL, schema=SCHEMA)
        stream_id = reader.take_bytes(records.BOOT_ID_BYTES)
        last_seq, acknowledged = reader.take_number(), reader.take_number()
        reader.end()
        self.stream_id, self.last_seq, self.acknowledged = stream_id, last_seq, acknowledged
        self._is_unreadable = False

    def report(
        self,
        step: Step,
        kind: EventKind,
        *,
        values: Mapping[str, Value] | None = None,
        reason: Reason = Reason.NONE,
        request_id: bytes | None = None,
        incident_id: bytes | None = None,
        boot_id: bytes | None = None,
    ) -> Event:
        """Give an event the next number and make both durable with this step. `boot_id`: see `outside`."""
        event = replace(
            self.outside(
                kind, at=step.now, wall=step.wall, incident_id=incident_id, boot_id=boot_id
            ),
            seq=self._next(step),
            values={path: told(value) for path, value in (values or {}).items()},
            reason=reason,
            request_id=request_id,
        )
        self._append(step, event)
        return event

    def outside(
        self,
        kind: EventKind,
        *,
        at: float,
        wall: float | None,
        incident_id: bytes | None,
        boot_id: bytes | None = None,
    ) -> Event:
        """Return an event beside the stream.

        `at`: CLOCK_BOOTTIME, s. `wall`: s since 1970-01-01, None = not known. `boot_id`: of the start of the agent that
        the event belongs to, None = this one.
        """
        return Event(
            vehicle_id=self._vehicle_id,
            boot_id=self._boot_id if boot_id is None else boot_id,
            kind=kind,
            seq=OUTSIDE_THE_STREAM,
            boot_time_ms=records.told_ms(at),
            wall_time_ms=records.told_ms(wall),
            stream_id=self.stream_id,
            incident_id=incident_id,
        )

    def conclude(
        self,
        step: Step,
        *,
        common: Common,
        grant_hash: bytes,
        outcome: Outcome,
        reason: Reason,
        locks: Mapping[int, LockState],
        relock: Relock,
    ) -> Result:
        """Give a result the next number and make both durable with this step."""
        result = Result(
            common=common,
            outcome=outcome,
            reason=reason,
            grant_hash=grant_hash,
            locks=dict(locks),
            relock=relock,
            seq=self._next(step),
            stream_id=self.stream_id,
        )
        self._append(step, result)
        return result

    def acknowledge(self, step: Step, seq: int) -> None:
        """Drop what the centre has stored, up to `seq` (verified: ours, and given out). An old one changes nothing."""
        if seq > self.acknowledged:
            self.acknowledged = seq
            step.acknowledged = seq
            self._save(step)

    def tombstone(self, covered: Sequence[Result | Event], reason: Reason) -> Event:
        """Return what stands for these consecutive messages, under the last one's number, when they are given up.

        Raises:
            BugError: nothing to cover, or the numbers are not consecutive.
        """
        seqs = [seq for message in covered for seq in numbers_of(message)]
        if not seqs or seqs != list(range(seqs[0], seqs[-1] + 1)):
            raise BugError("a tombstone covers consecutive numbers")
        last = next((m for m in reversed(covered) if isinstance(m, Event)), None)
        tombstone = self.tombstone_over(first_seq=seqs[0], last_seq=seqs[-1], reason=reason)
        if last is None:
            return tombstone
        return replace(tombstone, boot_time_ms=last.boot_time_ms, wall_time_ms=last.wall_time_ms)

    def tombstone_over(self, *, first_seq: int, last_seq: int, reason: Reason) -> Event:
        """Return what stands for these numbers, whatever had them, at a time that is not known."""
        return Event(
            vehicle_id=self._vehicle_id,
            boot_id=self._boot_id,
            kind=EventKind.TOMBSTONE,
            seq=last_seq,
            boot_time_ms=0,
            wall_time_ms=0,
            stream_id=self.stream_id,
            reason=reason,
            first_seq=first_seq,
            last_seq=last_seq,
        )

    def _append(self, step: Step, message: Result | Event) -> None:
        step.appended.append(message)
        if class_of(message).is_protected:
            self._protected = (message.seq, step.now)

    def _next(self, step: Step) -> int:
        self.last_seq += 1
        self._save(step)
        return self.last_seq

    def _save(self, step: Step) -> None:
        if not self._is_unreadable:
            step.put(
                records.JOURNAL,
                records.pack(SCHEMA, self.stream_id, self.last_seq, self.acknowledged),
            )


def numbers_of(message: Result | Event) -> range:
    """Return the numbers that a message stands for: its own, or those that a tombstone covers."""
    first = message.first_seq if isinstance(message, Event) else None
    return range(message.seq if first is None else first, message.seq + 1)
