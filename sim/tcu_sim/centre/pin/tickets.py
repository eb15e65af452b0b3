"""Entry tickets: who may enter a PIN, for which request.

And on whose account a wrong one is counted.

The account service gets one for a signed-in app account; the command service gets one for a call.
The holder of the ticket talks to the PIN authority alone: neither service sees the PIN. A telephone
ticket needs an incident that the car signed (ON CALL) or that the telephone exchange reported: an
operator cannot make one up.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.pin.schema import INCIDENT_LIFE_S, TICKET_LIFE_S
from tcu_sim.centre.proof import read_draft, subject_of
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.messages import Event, Request
from tcu_sim.wire.numbers import Told

TICKET_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """On whose account entries are counted: an app account, or a caller in an incident."""

    app_account: str | None = None
    is_linked: bool = False
    """Whether the app account is linked with the vehicle already."""
    caller: str | None = None
    incident_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketOffice:
    """Issues tickets and finds them again."""

    store: sqlite3.Connection
    identity: Identity
    clock: Clock
    entropy: Entropy

    def report_call(self, incident_id: bytes, *, caller: str, vehicle_id: str | None) -> None:
        """Note a call that the telephone exchange (or the app's account service) reports."""
        with transaction(self.store):
            self.store.execute(
                "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?)",
                (incident_id, caller, vehicle_id, self.clock.now_s()),
            )

    def for_app(self, draft: bytes, *, app_account: str, is_linked: bool) -> str:
        """Return a ticket for a signed-in app account.

        Raises:
            Denied: the request is none.
        """
        asked = read_draft(draft)
        incident_id = asked.incident_id
        return self._issue(
            asked, Holder(app_account=app_account, is_linked=is_linked, incident_id=incident_id)
        )

    def for_call(self, draft: bytes, *, incident_id: bytes, event: bytes | None) -> str:
        """Return a ticket for the caller of an incident; `event` is the car's signed ON CALL event.

        Raises:
            Denied: the request is none, or nobody but the asker knows of the incident.
        """
        asked = read_draft(draft)
        if event is not None:
            self._note_on_call(event, asked.vehicle_id)
        row = self.store.execute(
            "SELECT * FROM calls WHERE incident_id = ? AND at_s > ?",
            (incident_id, self.clock.now_s() - INCIDENT_LIFE_S),
        ).fetchone()
        if row is None or row["vehicle_id"] not in {None, asked.vehicle_id}:
            raise Denied("incident", "no call of that incident is known here")
        return self._issue(asked, Holder(caller=row["caller"], incident_id=incident_id))

    def find(self, ticket: str) -> sqlite3.Row:
        """Return the ticket's row.

        Raises:
            Denied: unknown, used, or too old; the three look alike.
        """
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM tickets WHERE ticket_hash = ? AND is_used = 0 AND at_s > ?",
            (_hash(ticket), self.clock.now_s() - TICKET_LIFE_S),
        ).fetchone()
        if row is None:
            raise Denied("ticket", "unknown, used or too old")
        return row

    def _note_on_call(self, event: bytes, vehicle_id: str) -> None:
        try:
            told = self.identity.vehicles.open(event, Event, vehicle_id).message
        except WireError as error:
            raise Denied("incident", f"the ON CALL event: {error}") from error
        if told.kind != Told.ON_CALL_PRESSED or told.incident_id is None:
            raise Denied("incident", "the event is no ON CALL press")
        self.report_call(told.incident_id, caller=f"vehicle:{vehicle_id}", vehicle_id=vehicle_id)

    def _issue(self, request: Request, holder: Holder) -> str:
        ticket = self.entropy.random_bytes(TICKET_BYTES).hex()
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (
                    _hash(ticket), request.vehicle_id, int(request.service), request.request_id,
                    subject_of(request), holder.app_account, int(holder.is_linked),
                    holder.caller, holder.incident_id, self.clock.now_s(),
                ),
            )  # fmt: skip
        return ticket


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
