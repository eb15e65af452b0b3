"""Stored events and results as operators see them."""

from __future__ import annotations

import sqlite3

from tcu_sim.centre import words
from tcu_sim.centre.api import Reply
from tcu_sim.wire.cbor import decode
from tcu_sim.wire.fields import unpack
from tcu_sim.wire.messages import Event, Result
from tcu_sim.wire.numbers import Told


def describe_record(row: sqlite3.Row) -> Reply:
    """Return one record; `number` counts the records of all vehicles in the order of their arrival."""
    payload = decode(row["payload"])
    facts = {"number": row["rowid"], "at_s": row["at_s"], "stream_id": row["stream_id"].hex()}
    if row["kind"] == Result.TYP:
        return {**facts, **_result(unpack(Result, payload))}
    return {**facts, **_event(unpack(Event, payload))}


def _result(said: Result) -> Reply:
    return {
        "record": "result",
        "seq": said.seq,
        "request_id": said.request_id.hex(),
        "outcome": said.outcome.name.lower(),
        "reason": words.word_of(said.reason),
        "locks": words.locks_in_words(said.locks),
    }


def _event(said: Event) -> Reply:
    known = said.kind in set(Told)
    return {
        "record": "event",
        "seq": said.seq,
        "kind": Told(said.kind).name.lower().replace("_", "-") if known else f"kind-{said.kind}",
        "reason": words.word_of(said.reason),
        "request_id": None if said.request_id is None else said.request_id.hex(),
        "incident_id": None if said.incident_id is None else said.incident_id.hex(),
        "values": dict(said.values),
        "wall_time_ms": said.wall_time_ms,
    }
