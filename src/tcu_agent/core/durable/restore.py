"""Reading back what survived: record by record, so that a corrupt one costs no more than what it held.

What could act remotely fails closed as a whole when any of its records cannot be read; ON CALL starts afresh instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tcu_agent.core.availability.record import ParkedRecord
from tcu_agent.core.call.record import CallRecord
from tcu_agent.core.durable import records
from tcu_agent.core.parts import Parts
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.core.theft.alarm_record import AlarmRecord
from tcu_agent.core.theft.tow_record import TowRecord
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.core.unlock.relock_record import RelockRecord
from tcu_agent.errors import StorageError

R = TypeVar("R")

_NOTHING_REMOTE: Final = frozenset({records.CALL, records.ALARM, records.TOW, records.PARKED})
"""Records that no remote service rests on: a corrupt one is as good as none."""


def closes_remote_services(corrupt: str) -> bool:
    """Return whether a record that cannot be read, named by its key, costs more than what it held."""
    return corrupt not in _NOTHING_REMOTE


@dataclass(slots=True, kw_only=True)
class OpenMatters:
    """What a restart cut off, and the keys of records that could not be read."""

    unlock: UnlockIntent | None = None
    relock: RelockRecord | None = None
    position: PositionRecord | None = None
    call: CallRecord | None = None
    alarm: AlarmRecord | None = None
    tow: TowRecord | None = None
    parked: ParkedRecord | None = None
    corrupt: list[str] = field(default_factory=list)


class _Restorer:
    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self.stored = stored
        self.corrupt: list[str] = []

    def attempt(self, key: str, action: Callable[[], None]) -> None:
        """Do it; what cannot be read is remembered, never raised."""
        try:
            action()
        except StorageError:
            self.corrupt.append(key)

    def read(self, key: str, reader: Callable[[bytes], R]) -> R | None:
        """Return the record under `key`, None if there is none or it cannot be read."""
        data = self.stored.get(key)
        if data is None:
            return None
        try:
            return reader(data)
        except StorageError:
            self.corrupt.append(key)
            return None


def restore(parts: Parts, stored: Mapping[str, bytes] | None) -> OpenMatters:
    """Fill the parts from durable state. `stored` None: it cannot be read at all. Never raises."""
    restorer = _Restorer(stored or {})
    knowledge = parts.knowledge
    restorer.read(records.JOURNAL, parts.journal.restore)
    restorer.attempt(records.OUTCOME_PREFIX, lambda: parts.outcomes.restore(restorer.stored))
    restorer.attempt(
        records.TRUST, lambda: knowledge.restore_trust(restorer.stored, parts.verifier)
    )
    restorer.attempt(records.ACCOUNT, lambda: knowledge.restore_account(restorer.stored))
    restorer.attempt(records.MARKS, lambda: knowledge.restore_marks(restorer.stored))
    restorer.attempt(records.CASE_PREFIX, lambda: parts.position.cases.restore(restorer.stored))
    found = OpenMatters(
        unlock=restorer.read(records.UNLOCK, UnlockIntent.from_bytes),
        relock=restorer.read(records.RELOCK, RelockRecord.from_bytes),
        position=restorer.read(records.POSITION, PositionRecord.from_bytes),
        call=restorer.read(records.CALL, CallRecord.from_bytes),
        alarm=restorer.read(records.ALARM, AlarmRecord.from_bytes),
        tow=restorer.read(records.TOW, TowRecord.from_bytes),
        parked=restorer.read(records.PARKED, ParkedRecord.from_bytes),
        corrupt=restorer.corrupt,
    )
    parts.is_corrupt = stored is None or any(map(closes_remote_services, restorer.corrupt))
    return found
