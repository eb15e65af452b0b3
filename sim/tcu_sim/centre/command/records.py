"""What vehicles report: stored once by stream and number, acknowledged only then, and only up to the first gap."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.envelope import Verified
from tcu_sim.wire.messages import Ack, Event, Result

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBook:
    """Events and results of all vehicles."""

    store: sqlite3.Connection
    clock: Clock

    def keep(self, record: Verified[Event] | Verified[Result]) -> bool:
        """Store a record; returns whether it is new. Durable when it returns."""
        message = record.message
        stream = (message.vehicle_id, message.stream_id)
        with transaction(self.store):
            known = self._find(record)
            if known is None:
                self.store.execute("INSERT OR IGNORE INTO streams VALUES (?, ?, 0)", stream)
                self.store.execute(
                    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        *stream, self._number(message), _covers_from(message), message.TYP,
                        record.payload, self.clock.now_s(),
                    ),
                )  # fmt: skip
            elif known["payload"] != record.payload:
                # What was given up may have arrived all the same; its tombstone still closes the gap.
                log.warning("%s: two records with number %d", message.vehicle_id, message.seq)
                self.store.execute(
                    "UPDATE records SET covers_from = min(covers_from, ?) WHERE rowid = ?",
                    (_covers_from(message), known["rowid"]),
                )
            self._close_up(*stream)
        return known is None

    def ack(self, vehicle_id: str, stream_id: bytes) -> Ack | None:
        """Return the acknowledgement that is due: all is stored up to its number. None: nothing without a gap."""
        stored = self._stored(vehicle_id, stream_id)
        return Ack(vehicle_id=vehicle_id, stream_id=stream_id, seq=stored) if stored else None

    def gaps(self, vehicle_id: str) -> list[tuple[bytes, int]]:
        """Return streams with something beyond a gap, and the first number that is missing."""
        rows = self.store.execute(
            "SELECT stream_id, stored FROM streams AS s WHERE vehicle_id = ? AND EXISTS (SELECT 1 FROM records AS r"
            " WHERE r.vehicle_id = s.vehicle_id AND r.stream_id = s.stream_id AND r.seq > s.stored)",
            (vehicle_id,),
        ).fetchall()
        return [(row["stream_id"], row["stored"] + 1) for row in rows]

    def listing(self, vehicle_id: str) -> list[sqlite3.Row]:
        """Return all records of a vehicle in the order of their arrival."""
        return self.store.execute(
            "SELECT rowid, * FROM records WHERE vehicle_id = ? ORDER BY rowid", (vehicle_id,)
        ).fetchall()

    def _find(self, record: Verified[Event] | Verified[Result]) -> sqlite3.Row | None:
        message = record.message
        same = "seq = ?" if message.seq else "payload = ?"
        row: sqlite3.Row | None = self.store.execute(
            f"SELECT rowid, payload FROM records WHERE vehicle_id = ? AND stream_id = ? AND {same}",  # noqa: S608 - fixed texts
            (message.vehicle_id, message.stream_id, message.seq or record.payload),
        ).fetchone()
        return row

    def _number(self, message: Event | Result) -> int:
        """Return the number to store under: an event outside the stream (0) gets the next below zero."""
        if message.seq:
            return message.seq
        lowest = self.store.execute(
            "SELECT min(seq) FROM records WHERE vehicle_id = ? AND stream_id = ?",
            (message.vehicle_id, message.stream_id),
        ).fetchone()[0]
        return min(lowest or 0, 0) - 1

    def _stored(self, vehicle_id: str, stream_id: bytes) -> int:
        row = self.store.execute(
            "SELECT stored FROM streams WHERE vehicle_id = ? AND stream_id = ?",
            (vehicle_id, stream_id),
        ).fetchone()
        return 0 if row is None else int(row["stored"])

    def _close_up(self, vehicle_id: str, stream_id: bytes) -> None:
        stored = self._stored(vehicle_id, stream_id)
        query = (
            "SELECT max(seq) FROM records WHERE vehicle_id = ? AND stream_id = ?"
            " AND covers_from <= ? AND seq > ?"
        )
        while True:
            reach = self.store.execute(
                query, (vehicle_id, stream_id, stored + 1, stored)
            ).fetchone()[0]
            if reach is None:
                break
            stored = reach
        self.store.execute(
            "UPDATE streams SET stored = ? WHERE vehicle_id = ? AND stream_id = ?",
            (stored, vehicle_id, stream_id),
        )


def _covers_from(message: Event | Result) -> int:
    """Return the first number that a record stands for: a tombstone has the number of the last that it covers."""
    first = message.first_seq if isinstance(message, Event) else None
    return message.seq if first is None else min(first, message.seq)
