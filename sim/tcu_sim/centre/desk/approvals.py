"""Approval of a position: the desk checks the vehicle's challenge itself, and that everybody has agreed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.desk.cases import CaseBook
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.proof import Asked, open_asked
from tcu_sim.centre.standing import Standing
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.messages import Approval
from tcu_sim.wire.numbers import Service
from tcu_sim.wire.parameters import Locate


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDesk:
    """Signs approvals."""

    store: sqlite3.Connection
    identity: Identity
    cases: CaseBook
    standing: Standing
    clock: Clock

    def give(self, request: bytes, challenge: bytes) -> bytes:
        """Return a signed approval over `challenge`, and note until when its positions may come.

        Raises:
            Denied: ``request``, ``challenge``, ``case``, ``vehicle-behind``, ``no-account``.
        """
        asked = open_asked(self.identity, request, challenge)
        wanted = asked.request.message
        parameters = wanted.parameters
        if wanted.service is not Service.POSITION or not isinstance(parameters, Locate):
            raise Denied("case", "only positions need an approval")
        case = self.cases.get_open(wanted.incident_id)
        if case["vehicle_id"] != wanted.vehicle_id:
            raise Denied("case", "it is about another vehicle")
        if missing := self.cases.missing(wanted.incident_id):
            raise Denied("case", f"not agreed yet: {', '.join(missing)}")
        self.standing.check(asked.challenge.message)
        self._note(asked, parameters.duration_s or 0)
        return self.identity.sign(
            Approval(
                **asked.common(),
                challenge_hash=asked.challenge.hash,
                case_id=wanted.incident_id,
            )
        )

    def _note(self, asked: Asked, duration_s: int) -> None:
        # The car may accept as late as its challenge lives; from then on its stop time counts.
        stop_at_s = self.clock.now_s() + asked.challenge.message.ttl_s + duration_s
        request = asked.request.message
        with transaction(self.store):
            self.store.execute(
                "INSERT OR REPLACE INTO approvals VALUES (?, ?, ?)",
                (request.request_id, request.incident_id, stop_at_s),
            )
