"""Positions as they come in: checked, opened, encrypted for the store, acknowledged.

And refused after the stop time.
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
from tcu_sim.centre.desk.vault import Vault
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.cbor import decode, encode
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.fields import pack, unpack
from tcu_sim.wire.messages import Position, PositionAck
from tcu_sim.wire.sealing import Fix, label_of, unseal

log = logging.getLogger(__name__)


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

    def take(self, position: Position) -> PositionAck | None:
        """Store a verified position; returns the acknowledgement that is due.

        A position after the stop time is not kept, but acknowledged, so that the car forgets it too.

        Raises:
            Denied: no such open case, or nobody approved the request.
            WireError: it cannot be opened.
        """
        case = self.cases.get_open(position.case_id)
        if case["vehicle_id"] != position.vehicle_id:
            raise Denied("case", "it is about another vehicle")
        fix = self._open(position)
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
            "SELECT * FROM positions WHERE case_id = ? AND length(sealed) > 0 ORDER BY seq",
            (case_id,),
        ).fetchall()
        return [self._describe(row, case["case_key"]) for row in rows]

    def _open(self, position: Position) -> Fix:
        label = label_of(position, self.identity.environment)
        for key in self.hpke[1:]:
            with suppress(WireError):
                return unseal(position.sealed, label, key)
        return unseal(position.sealed, label, self.hpke[0])

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
                encode(pack(fix)), wrapped_key=case_key, case_id=position.case_id, seq=position.seq
            )
        with transaction(self.store):
            new = self.store.execute(
                "INSERT OR IGNORE INTO positions VALUES (?, ?, ?, ?, ?)",
                (
                    position.case_id, position.seq, position.request_id, sealed,
                    self.clock.now_s(),
                ),
            ).rowcount  # fmt: skip
            if new and fix is None:
                log.warning("%s sent a position after its stop time", position.vehicle_id)
                self.store.execute(
                    "UPDATE cases SET refused_positions = refused_positions + 1 WHERE case_id = ?",
                    (position.case_id,),
                )

    def _ack(self, position: Position) -> PositionAck | None:
        seqs = {
            row["seq"]
            for row in self.store.execute(
                "SELECT seq FROM positions WHERE case_id = ?", (position.case_id,)
            )
        }
        stored = 0
        while stored + 1 in seqs:
            stored += 1
        if not stored:
            return None
        return PositionAck(vehicle_id=position.vehicle_id, case_id=position.case_id, seq=stored)

    def _describe(self, row: sqlite3.Row, case_key: bytes) -> Reply:
        plain = self.vault.open(
            row["sealed"], wrapped_key=case_key, case_id=row["case_id"], seq=row["seq"]
        )
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
