"""Entering a PIN: count, compare, and open a PIN session for exactly one request."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, field

from tcu_sim.centre.errors import BadCall
from tcu_sim.centre.pin.attempts import AttemptBook
from tcu_sim.centre.pin.hashing import NO_PIN, PinHasher, StoredPin
from tcu_sim.centre.pin.post import NOTICES, Post
from tcu_sim.centre.pin.tickets import TicketOffice
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy

_PIN = re.compile(r"[0-9]{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody keyed in. `was_heard`: an operator keyed it in for a caller who could not."""

    ticket: str = field(repr=False)
    pin: str = field(repr=False)
    was_heard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDesk:
    """Takes entries."""

    store: sqlite3.Connection
    hasher: PinHasher
    tickets: TicketOffice
    attempts: AttemptBook
    post: Post
    clock: Clock
    entropy: Entropy

    def enter(self, entry: Entry) -> str:
        """Return ``right``, ``wrong``, ``locked``, ``throttled`` or ``new-pin-needed``.

        A vehicle that is not known here answers as a wrong PIN does, and takes as long.

        Raises:
            Denied: the ticket is no good.
            BadCall: not four digits; nothing is counted.
        """
        ticket = self.tickets.find(entry.ticket)
        if _PIN.fullmatch(entry.pin) is None:
            raise BadCall("pin: four digits are needed")
        obstacle = self.attempts.obstacle(ticket)
        if obstacle is not None:
            return obstacle
        number = self.attempts.begin(ticket)
        row, stored, generation = self._stored(ticket["vehicle_id"])
        is_right = self.hasher.is_right(
            entry.pin, stored, vehicle_id=ticket["vehicle_id"], generation=generation
        )
        if entry.was_heard and row is not None:
            self.post.deliver(row["address"], "pin-heard", NOTICES["pin-heard"])
        if row is None or not is_right:
            self.attempts.settle_wrong(ticket)
            return "wrong"
        return self._settle_right(number, ticket, row)

    def _settle_right(self, number: int, ticket: sqlite3.Row, pin: sqlite3.Row) -> str:
        is_blocked = ticket["app_account"] is not None and bool(pin["app_blocked"])
        with transaction(self.store):
            self.attempts.take_back(number, ticket)
            if not is_blocked:
                self._open_session(ticket, int(pin["generation"]))
        # Who knows the PIN may learn that the app needs a new one all the same (S11).
        return "new-pin-needed" if is_blocked else "right"

    def _open_session(self, ticket: sqlite3.Row, generation: int) -> None:
        self.store.execute(
            "UPDATE tickets SET is_used = 1 WHERE ticket_hash = ?", (ticket["ticket_hash"],)
        )
        self.store.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.entropy.random_bytes(16), ticket["vehicle_id"], ticket["service"],
                ticket["request_id"], ticket["subject"], ticket["incident_id"], generation,
                self.clock.now_s(),
            ),
        )  # fmt: skip

    def _stored(self, vehicle_id: str) -> tuple[sqlite3.Row | None, StoredPin, int]:
        row = self.store.execute(
            "SELECT * FROM pins WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        if row is None or row["hash"] is None:
            return row, NO_PIN, 0
        return row, StoredPin(row["salt"], row["hash"]), int(row["generation"])
