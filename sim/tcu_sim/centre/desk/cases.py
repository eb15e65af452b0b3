"""Theft cases: opened by an operator, in force only when owner, police and centre have each agreed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.api import Reply
from tcu_sim.centre.desk.schema import PARTIES
from tcu_sim.centre.desk.vault import Vault
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One party's agreement. `reference`: the police's file number; the others' may be a note."""

    party: str
    caller: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseBook:
    """All theft cases."""

    store: sqlite3.Connection
    vault: Vault
    clock: Clock
    entropy: Entropy

    def open(self, vehicle_id: str, *, operator: str) -> bytes:
        """Open a case and return its id; nobody has agreed yet."""
        case_id = self.entropy.random_bytes(16)
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO cases VALUES (?, ?, ?, ?, ?, NULL, 0)",
                (
                    case_id, vehicle_id, operator, self.clock.now_s(),
                    self.vault.new_case_key(case_id),
                ),
            )  # fmt: skip
        return case_id

    def find(self, case_id: bytes) -> sqlite3.Row:
        """Return a case.

        Raises:
            Denied: there is none.
        """
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM cases WHERE case_id = ?", (case_id,)
        ).fetchone()
        if row is None:
            raise Denied("case", "no such case")
        return row

    def get_open(self, case_id: bytes) -> sqlite3.Row:
        """Return a case that has not ended.

        Raises:
            Denied: there is none, or it has ended.
        """
        row = self.find(case_id)
        if row["ended_at_s"] is not None:
            raise Denied("case", "it has ended")
        return row

    def confirm(self, case_id: bytes, confirmation: Confirmation) -> None:
        """Note that a party agrees; the first time counts.

        Raises:
            Denied: there is no such open case.
        """
        self.get_open(case_id)
        with transaction(self.store):
            self.store.execute(
                "INSERT OR IGNORE INTO confirmations VALUES (?, ?, ?, ?, ?)",
                (
                    case_id, confirmation.party, confirmation.caller, confirmation.reference,
                    self.clock.now_s(),
                ),
            )  # fmt: skip

    def missing(self, case_id: bytes) -> list[str]:
        """Return the parties that have not agreed yet."""
        rows = self.store.execute(
            "SELECT party FROM confirmations WHERE case_id = ?", (case_id,)
        ).fetchall()
        agreed = {row["party"] for row in rows}
        return [party for party in PARTIES if party not in agreed]

    def end(self, case_id: bytes) -> None:
        """End a case: its positions and the key that could read them are erased. Again: nothing is left to do.

        Raises:
            Denied: there is no such case.
        """
        if self.find(case_id)["ended_at_s"] is not None:
            return
        with transaction(self.store):
            self.store.execute("DELETE FROM fixes WHERE case_id = ?", (case_id,))
            self.store.execute(
                "UPDATE cases SET ended_at_s = ?, case_key = NULL WHERE case_id = ?",
                (self.clock.now_s(), case_id),
            )

    def describe(self, case_id: bytes) -> Reply:
        """Return a case as operators see it: never a position."""
        row = self.find(case_id)
        count = self.store.execute(
            "SELECT count(*), max(seq), sum(sealed IS NULL) FROM fixes WHERE case_id = ?",
            (case_id,),
        ).fetchone()
        lost = count[2] or 0
        return {
            "case_id": case_id.hex(),
            "vehicle_id": row["vehicle_id"],
            "is_open": row["ended_at_s"] is None,
            "missing": self.missing(case_id),
            "positions": count[0] - lost,
            "last_seq": count[1],
            "lost_positions": lost,
            "refused_positions": row["refused_positions"],
        }
