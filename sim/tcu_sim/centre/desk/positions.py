"""Positions as they come in: checked, opened, encrypted for the store, acknowledged.

And refused after the stop time. A car that sends one of a case that has ended has not heard of the end: it is told
again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.centre.api import Reply
from tcu_sim.centre.desk.cases import CaseBook
from tcu_sim.centre.desk.schema import STOP_GRACE_S
from tcu_sim.centre.desk.vault import Place, Vault
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.cbor import decode, encode
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.fields import pack, unpack
from tcu_sim.wire.messages import CaseEnd, Position, PositionAck
from tcu_sim.wire.sealing import Fix, label_of, unseal

log = logging.getLogger(__name__)
MOST_LOST = 1_000_000
"""At a time. A tracking has 120,960 positions at most: 7 days, every 5 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBook:
    """All positions of open cases."""

    store: sqlite3.Connection
    identity: Identity
    cases: CaseBook
    vault: Vault
    hpke: Sequence[X25519PrivateKey] = field(repr=False)
    """The desk's keys: while one is being rotated, cars seal to the old or to the next."""
    clock: Clock

    def take(self, position: Position) -> PositionAck | CaseEnd | None:
        """Store a verified position, or that it is lost; returns the answer that is due.

        A position after the stop time is not kept, but acknowledged, so that the car forgets it too.

        Raises:
            Denied: no such case, nobody approved the request, or more is lost than can be.
            WireError: it cannot be opened.
        """
        case = self.cases.find(position.case_id)
        if case["vehicle_id"] != position.vehicle_id:
            raise Denied("case", "it is about another vehicle")
        if case["ended_at_s"] is not None:
            return CaseEnd(vehicle_id=position.vehicle_id, case_id=position.case_id)
        if position.sealed is None:
            self._keep_lost(position)
        else:
            fix = self._open(position, position.sealed)
            is_in_time = self._is_in_time(position, fix)
            self._keep(position, fix if is_in_time else None, case["case_key"])
        return self._ack(position)

    def listing(self, case_id: bytes) -> list[Reply]:
        """Return the positions of an open case, oldest first; for the theft desk's own clerk alone.

        Raises:
            Denied: no such open case.
        """
        case = self.cases.get_open(case_id)
        rows = self.store.execute(
            "SELECT * FROM fixes WHERE case_id = ? AND length(sealed) > 0"
            " ORDER BY min(at_s) OVER (PARTITION BY stream_id), stream_id, seq",
            (case_id,),
        ).fetchall()
        return [self._describe(row, case["case_key"]) for row in rows]

    def _open(self, position: Position, sealed: bytes) -> Fix:
        label = label_of(position, self.identity.environment)
        for key in self.hpke[1:]:
            with suppress(WireError):
                return unseal(sealed, label, key)
        return unseal(sealed, label, self.hpke[0])

    def _is_in_time(self, position: Position, fix: Fix) -> bool:
        row = self.store.execute(
            "SELECT * FROM approvals WHERE request_id = ? AND case_id = ?",
            (position.request_id, position.case_id),
        ).fetchone()
        if row is None:
            raise Denied("case", "nobody approved this request")
        taken_at_s = fix.wall_time_ms / 1000 if fix.wall_time_ms else self.clock.now_s()
        return bool(taken_at_s <= row["stop_at_s"] + STOP_GRACE_S)

    def _keep(self, position: Position, fix: Fix | None, case_key: bytes) -> None:
        sealed = b""
        if fix is not None:
            sealed = self.vault.seal(
                encode(pack(fix)), wrapped_key=case_key, place=_place_of(position)
            )
        with transaction(self.store):
            if self._insert(position, position.seq, sealed) and fix is None:
                log.warning("%s sent a position after its stop time", position.vehicle_id)
                self.store.execute(
                    "UPDATE cases SET refused_positions = refused_positions + 1 WHERE case_id = ?",
                    (position.case_id,),
                )

    def _keep_lost(self, position: Position) -> None:
        """Close every gap up to this number: the car has nothing of it any more."""
        known = self._seqs(position)
        if position.seq - len(known) > MOST_LOST:
            raise Denied("case", "more positions lost than any case has")
        lost = [seq for seq in range(1, position.seq + 1) if seq not in known]
        with transaction(self.store):
            for seq in lost:
                self._insert(position, seq, None)
        if lost:
            log.warning("%s has lost %d positions", position.vehicle_id, len(lost))

    def _insert(self, position: Position, seq: int, sealed: bytes | None) -> bool:
        place = _place_of(position)
        cursor = self.store.execute(
            "INSERT OR IGNORE INTO fixes VALUES (?, ?, ?, ?, ?, ?)",
            (place.case_id, place.stream_id, seq, position.request_id, sealed, self.clock.now_s()),
        )
        return cursor.rowcount > 0

    def _seqs(self, position: Position) -> set[int]:
        rows = self.store.execute(
            "SELECT seq FROM fixes WHERE case_id = ? AND stream_id = ?",
            (position.case_id, position.stream_id),
        )
        return {row["seq"] for row in rows}

    def _ack(self, position: Position) -> PositionAck | None:
        seqs = self._seqs(position)
        stored = 0
        while stored + 1 in seqs:
            stored += 1
        if not stored:
            return None
        return PositionAck(
            vehicle_id=position.vehicle_id,
            case_id=position.case_id,
            seq=stored,
            stream_id=position.stream_id,
        )

    def _describe(self, row: sqlite3.Row, case_key: bytes) -> Reply:
        place = Place(case_id=row["case_id"], stream_id=row["stream_id"], seq=row["seq"])
        plain = self.vault.open(row["sealed"], wrapped_key=case_key, place=place)
        fix = unpack(Fix, decode(plain))
        return {
            "seq": row["seq"],
            "received_at_s": row["at_s"],
            "quality": fix.quality.name.lower().replace("_", "-"),
            "wall_time_ms": fix.wall_time_ms,
            "latitude_deg": None if fix.latitude_e7 is None else fix.latitude_e7 / 1e7,
            "longitude_deg": None if fix.longitude_e7 is None else fix.longitude_e7 / 1e7,
            "age_ms": fix.age_ms,
            "accuracy_cm": fix.accuracy_cm,
            "heading_ddeg": fix.heading_ddeg,
            "speed_ckmh": fix.speed_ckmh,
        }


def _place_of(position: Position) -> Place:
    return Place(case_id=position.case_id, stream_id=position.stream_id, seq=position.seq)
