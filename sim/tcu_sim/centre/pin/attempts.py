"""Counting entries: what locks an app account, throttles a caller, ends a PIN, warns an owner and the fleet.

An entry is counted as wrong, on the disk, before it is compared; only a right one is taken back. A
power cut in between can cost an owner one try; it never gives a guesser one.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.pin import schema
from tcu_sim.centre.pin.post import NOTICES, Post
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptBook:
    """The durable count of entries."""

    store: sqlite3.Connection
    post: Post
    clock: Clock

    def obstacle(self, ticket: sqlite3.Row) -> str | None:
        """Return why no entry is taken for this ticket now, or None."""
        if ticket["app_account"] is not None and self.is_locked(ticket["app_account"]):
            return "locked"
        if self._wrong_since_issue(ticket["vehicle_id"]) >= schema.WRONG_PER_VEHICLE:
            return "new-pin-needed"
        if ticket["caller"] is None:
            return None
        in_incident = self._wrong("incident_id = ? AND caller NOT NULL", ticket["incident_id"])
        by_caller = self._wrong("caller = ?", ticket["caller"])
        if in_incident >= schema.WRONG_PER_INCIDENT or by_caller >= schema.WRONG_PER_CALLER:
            return "throttled"
        return None

    def is_locked(self, app_account: str) -> bool:
        """Whether ten wrong PINs in a row locked this app account; it stays so for good."""
        row = self._app_account(app_account)
        return row is not None and (
            row["locked_at_s"] is not None or row["wrong_in_a_row"] >= schema.LOCK_AT
        )

    def begin(self, ticket: sqlite3.Row) -> int:
        """Count an entry as wrong, durably, and return its number."""
        with transaction(self.store):
            if ticket["app_account"] is not None:
                self.store.execute(
                    "INSERT INTO app_accounts VALUES (?, 1, NULL) ON CONFLICT (app_account)"
                    " DO UPDATE SET wrong_in_a_row = wrong_in_a_row + 1",
                    (ticket["app_account"],),
                )
            cursor = self.store.execute(
                "INSERT INTO attempts (vehicle_id, app_account, caller, incident_id, at_s)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    ticket["vehicle_id"], ticket["app_account"], ticket["caller"],
                    ticket["incident_id"], self.clock.now_s(),
                ),
            )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def take_back(self, number: int, ticket: sqlite3.Row) -> None:
        """The entry was right; to be called inside the transaction that makes use of it."""
        self.store.execute("UPDATE attempts SET was_right = 1 WHERE number = ?", (number,))
        self.store.execute(
            "UPDATE app_accounts SET wrong_in_a_row = 0 WHERE app_account = ?",
            (ticket["app_account"],),
        )

    def settle_wrong(self, ticket: sqlite3.Row) -> None:
        """The entry was wrong: lock, warn, end the PIN, as the counts say."""
        vehicle_id = ticket["vehicle_id"]
        if ticket["app_account"] is not None:
            self._lock_if_due(ticket)
        if self._wrong_since_issue(vehicle_id) >= schema.WRONG_PER_VEHICLE:
            self._end_pin(vehicle_id)
        burst = self._wrong("vehicle_id = ?", vehicle_id, window_s=schema.BURST_WINDOW_S)
        if burst == schema.BURST_AT:
            self._warn(vehicle_id, "wrong-entries")
            self._watch_fleet()

    def _lock_if_due(self, ticket: sqlite3.Row) -> None:
        row = self._app_account(ticket["app_account"])
        if row is None or row["wrong_in_a_row"] < schema.LOCK_AT or row["locked_at_s"] is not None:
            return
        with transaction(self.store):
            self.store.execute(
                "UPDATE app_accounts SET locked_at_s = ? WHERE app_account = ?",
                (self.clock.now_s(), ticket["app_account"]),
            )
            if ticket["is_linked"]:
                self.store.execute(
                    "UPDATE pins SET app_blocked = 1 WHERE vehicle_id = ?", (ticket["vehicle_id"],)
                )
        self._warn(ticket["vehicle_id"], "app-locked")

    def _end_pin(self, vehicle_id: str) -> None:
        with transaction(self.store):
            self.store.execute(
                "UPDATE pins SET salt = NULL, hash = NULL WHERE vehicle_id = ?", (vehicle_id,)
            )
        self._warn(vehicle_id, "new-pin-needed")

    def _watch_fleet(self) -> None:
        since = self.clock.now_s() - schema.CAP_WINDOW_S
        vehicles = self.store.execute(
            "SELECT count(*) FROM (SELECT vehicle_id FROM attempts WHERE was_right = 0 AND at_s > ?"
            " GROUP BY vehicle_id HAVING count(*) >= ?)",
            (since, schema.BURST_AT),
        ).fetchone()[0]
        if vehicles >= schema.FLEET_VEHICLES:
            log.warning("fleet alarm: wrong PINs at %d vehicles within a day", vehicles)
            with transaction(self.store):
                self.store.execute(
                    "INSERT INTO alarms VALUES (?, ?)", (self.clock.now_s(), vehicles)
                )

    def _warn(self, vehicle_id: str, kind: str) -> None:
        row = self.store.execute(
            "SELECT address FROM pins WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        if row is not None:
            self.post.deliver(row["address"], kind, NOTICES[kind])

    def _app_account(self, app_account: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM app_accounts WHERE app_account = ?", (app_account,)
        ).fetchone()
        return row

    def _wrong_since_issue(self, vehicle_id: str) -> int:
        # A new PIN starts a new count; a vehicle without a PIN is counted like any other.
        newest = "SELECT first_attempt FROM pins WHERE vehicle_id = attempts.vehicle_id"
        return self._wrong(f"vehicle_id = ? AND number >= coalesce(({newest}), 0)", vehicle_id)

    def _wrong(self, condition: str, value: object, *, window_s: int = schema.CAP_WINDOW_S) -> int:
        # The condition is one of the fixed texts above, never anything from a caller.
        query = f"SELECT count(*) FROM attempts WHERE was_right = 0 AND at_s > ? AND {condition}"  # noqa: S608 - fixed texts
        row = self.store.execute(query, (self.clock.now_s() - window_s, value)).fetchone()
        return int(row[0])
