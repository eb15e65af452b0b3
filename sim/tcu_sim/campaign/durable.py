"""What lies on a dead agent's disk: outbox and intents, read from a copy with a reader of the campaign's own."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.campaign.evidence import Key
from tcu_sim.wire import cbor
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.fields import unpack
from tcu_sim.wire.messages import Event, Result

DATABASE = "state.sqlite"
REQUEST_ID_FIELD = 3
"""In the records of an unlock and of a position: schema, vehicle id, service, request id, ..."""


@dataclass(frozen=True, slots=True)
class Disk:
    """`outbox`: payloads by stream and number. `intents`: request ids of what was going on."""

    is_there: bool = False
    outbox: Mapping[Key, bytes] = field(default_factory=dict)
    intents: frozenset[bytes] = frozenset()
    positions: int = 0


def read_disk(state: Path, scratch: Path) -> Disk:
    """Return what the state directory of an agent that does not run holds; nothing, where there is none.

    Raises:
        WireError, sqlite3.Error: it cannot be read.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for file in state.glob(f"{DATABASE}*") if state.exists() else ():
        shutil.copy2(file, scratch)
    if not (scratch / DATABASE).exists():
        return Disk()
    with closing(sqlite3.connect(scratch / DATABASE)) as database:
        outbox = database.execute("SELECT kind, payload FROM outbox").fetchall()
        records = dict(database.execute("SELECT key, value FROM record").fetchall())
        (positions,) = database.execute("SELECT count(*) FROM position").fetchone()
    return Disk(
        is_there=True,
        outbox=dict(_opened(kind, payload) for kind, payload in outbox),
        intents=frozenset(
            _request_id(records[key]) for key in ("unlock", "position") if key in records
        ),
        positions=positions,
    )


def _opened(kind: str, payload: bytes) -> tuple[Key, bytes]:
    cls: type[Result | Event] = Result if kind == "result" else Event
    message = unpack(cls, cbor.decode(payload))
    return (message.stream_id, message.seq), payload


def _request_id(record: bytes) -> bytes:
    fields = cbor.decode(record)
    request_id = fields[REQUEST_ID_FIELD] if isinstance(fields, list) else None
    if not isinstance(request_id, bytes):
        raise WireError("an intent without a request id")
    return request_id
