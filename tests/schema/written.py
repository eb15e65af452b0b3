"""Today's writers: each durable record read from its bytes and written again, and a whole store as SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tcu_agent.adapters.storage.store import FILE_NAME, SqliteState
from tcu_agent.core.availability import record as parked_record
from tcu_agent.core.call import record as call_record
from tcu_agent.core.durable import knowledge, records
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.position import cases
from tcu_agent.core.position import record as position_record
from tcu_agent.core.reports import journal
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.step import Step
from tcu_agent.core.theft import alarm_record, tow_record
from tcu_agent.core.unlock import intent, outcomes, relock_record
from tcu_agent.core.verify.verdicts import AcceptedAccount
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.runtime import freshness

Rewrite = Callable[[bytes], bytes]
CONTAINER_VERSION = 1
"""Of the trust container, which is kept as it came: the version of the protocol that it is signed for."""


@dataclass(frozen=True, slots=True)
class Writer:
    """One durable record. `schema`: the version that is written today."""

    schema: int
    rewrite: Rewrite


class _Record(Protocol):
    def to_bytes(self) -> bytes: ...


def _record(schema: int, read: Callable[[bytes], _Record]) -> Writer:
    return Writer(schema, lambda data: read(data).to_bytes())


def _put(step: Step, key: str) -> bytes:
    value = step.puts[key]
    assert value is not None
    return value


def _journal(data: bytes) -> bytes:
    tested = Journal(vehicle_id="car-1", boot_id=bytes(8), stream_id=bytes(8))
    tested.restore(data)
    step = Step(now=0.0, wall=None)
    tested.last_seq -= 1
    tested._next(step)
    return _put(step, records.JOURNAL)


def _account(data: bytes) -> bytes:
    tested = Knowledge()
    tested.restore_account({records.ACCOUNT: data})
    assert tested.account is not None
    step = Step(now=0.0, wall=None)
    payload = codec.encode(tested.account)
    accepted = AcceptedAccount(
        account=tested.account,
        payload=payload,
        payload_hash=codec.payload_hash(payload),
        changed=True,
    )
    tested.adopt_account(step, accepted)
    return _put(step, records.ACCOUNT)


def _marks(data: bytes) -> bytes:
    tested = Knowledge()
    tested.restore_marks({records.MARKS: data})
    step = Step(now=0.0, wall=None)
    tested._save_marks(step)
    return _put(step, records.MARKS)


def _case(data: bytes) -> bytes:
    tested = cases.Cases()
    case_id = bytes(range(records.ID_BYTES))
    key = records.CASE_PREFIX + case_id.hex()
    tested.restore({key: data})
    step = Step(now=0.0, wall=None)
    tested._save(step, case_id)
    return _put(step, key)


def _first_cases(data: bytes) -> bytes:
    """Write all cases in one record, as nobody does any more."""
    tested = cases.Cases()
    tested.restore({records.CASES: data})
    flat = [
        field
        for case_id, each in tested._cases.items()
        for field in (case_id, each.last_seq, each.is_ended)
    ]
    return records.pack(cases.FIRST_FORM_SCHEMA, len(tested._cases), *flat)


def _outcome(data: bytes) -> bytes:
    result = outcomes.Outcomes._read(records.OUTCOME_PREFIX, data)
    return records.pack(outcomes.SCHEMA, codec.encode(result))


def _freshness(data: bytes) -> bytes:
    return freshness.write_freshness(freshness.read_freshness(data, key=freshness.KEY_PREFIX))


WRITERS: Mapping[str, Writer] = {
    records.ACCOUNT: Writer(knowledge.SCHEMA, _account),
    records.ALARM: _record(alarm_record.SCHEMA, alarm_record.AlarmRecord.from_bytes),
    records.CALL: _record(call_record.SCHEMA, call_record.CallRecord.from_bytes),
    records.CASE_PREFIX: Writer(cases.SCHEMA, _case),
    records.CASES: Writer(cases.FIRST_FORM_SCHEMA, _first_cases),
    records.JOURNAL: Writer(journal.SCHEMA, _journal),
    records.MARKS: Writer(knowledge.SCHEMA, _marks),
    records.OUTCOME_PREFIX: Writer(outcomes.SCHEMA, _outcome),
    records.PARKED: _record(parked_record.SCHEMA, parked_record.ParkedRecord.from_bytes),
    records.POSITION: _record(position_record.SCHEMA, position_record.PositionRecord.from_bytes),
    records.RELOCK: _record(relock_record.SCHEMA, relock_record.RelockRecord.from_bytes),
    records.TOW: _record(tow_record.SCHEMA, tow_record.TowRecord.from_bytes),
    records.TRUST: Writer(CONTAINER_VERSION, bytes),
    records.UNLOCK: _record(intent.SCHEMA, intent.UnlockIntent.from_bytes),
    freshness.KEY_PREFIX: Writer(freshness.SCHEMA, _freshness),
}


POSITION = StoredPosition(bytes(range(16)), 7, bytes(range(90)))


def store_as_sql(
    folder: Path, *, stored: Mapping[str, bytes], outbox: Sequence[Result | Event]
) -> list[str]:
    """Return the statements that make the store as today's code writes it."""
    state = SqliteState(folder)
    state.commit(puts=dict(sorted(stored.items())), append=outbox)
    state.put_position(POSITION)
    state.close()
    with closing(sqlite3.connect(folder / FILE_NAME)) as database:
        pragmas = ("application_id", "user_version")
        values = [database.execute(f"PRAGMA {each}").fetchone()[0] for each in pragmas]
        settings = [
            f"PRAGMA {name} = {value};" for name, value in zip(pragmas, values, strict=True)
        ]
        return [*settings, *database.iterdump()]
