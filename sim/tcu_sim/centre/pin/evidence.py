"""Evidence: the signed statement that a PIN check for exactly this request succeeded.

Made only over a challenge that the vehicle signed, that answers the request of the PIN session, and
that shows that the vehicle has learnt all there is to know. Source: protocol.md, G1 and G6.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.pin.schema import challenge_limit, pin_age_limit_s
from tcu_sim.centre.proof import Asked, open_asked, subject_of
from tcu_sim.centre.standing import Standing
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.messages import Evidence
from tcu_sim.wire.numbers import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceDesk:
    """Signs evidence."""

    store: sqlite3.Connection
    identity: Identity
    standing: Standing
    clock: Clock

    def give(self, request: bytes, challenge: bytes) -> bytes:
        """Return signed evidence over `challenge`.

        Raises:
            Denied: ``request``, ``challenge``, ``no-pin-session``, ``pin-too-old``,
            ``vehicle-behind``,
                ``no-account``.
        """
        asked = open_asked(self.identity, request, challenge)
        session = self._session(asked)
        age_s = self._age_s(session, asked.request.message.service)
        self.standing.check(asked.challenge.message)
        if asked.challenge.message.pin_generation != session["generation"]:
            raise Denied("vehicle-behind", "the PIN was checked under another generation")
        self._count(session["session_id"], asked)
        return self.identity.sign(
            Evidence(
                **asked.common(),
                challenge_hash=asked.challenge.hash,
                pin_session_id=session["session_id"],
                pin_age_s=age_s,
            )
        )

    def _session(self, asked: Asked) -> sqlite3.Row:
        request = asked.request.message
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM sessions WHERE request_id = ? AND vehicle_id = ?",
            (request.request_id, request.vehicle_id),
        ).fetchone()
        if row is None or row["subject"] != subject_of(request):
            raise Denied("no-pin-session", "no PIN was confirmed for this request")
        current = self.store.execute(
            "SELECT generation, hash FROM pins WHERE vehicle_id = ?", (request.vehicle_id,)
        ).fetchone()
        if current["hash"] is None or current["generation"] != row["generation"]:
            raise Denied("no-pin-session", "the PIN was replaced or ended since")
        return row

    def _count(self, session_id: bytes, asked: Asked) -> None:
        with transaction(self.store):
            self.store.execute(
                "INSERT OR IGNORE INTO served VALUES (?, ?)", (session_id, asked.challenge.hash)
            )
            served = self.store.execute(
                "SELECT count(*) FROM served WHERE session_id = ?", (session_id,)
            ).fetchone()[0]
            if served > challenge_limit(asked.request.message.service):
                raise Denied("no-pin-session", "it has answered too many challenges")

    def _age_s(self, session: sqlite3.Row, service: Service) -> int:
        age_s = self.clock.now_s() - float(session["at_s"])
        if not 0 <= age_s <= pin_age_limit_s(service):
            raise Denied("pin-too-old", "the PIN has to be asked for again")
        return math.ceil(age_s)
