"""New PINs: drawn by lot, stored as a hash, handed to the post and to nobody else."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.errors import Denied
from tcu_sim.centre.pin.hashing import PinHasher
from tcu_sim.centre.pin.post import Post, check_address, pin_letter
from tcu_sim.centre.pin.schema import CAP_WINDOW_S, ISSUES_PER_DAY
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy, uniform_below


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Issues and ends PINs."""

    store: sqlite3.Connection
    hasher: PinHasher
    post: Post
    clock: Clock
    entropy: Entropy

    def issue(self, vehicle_id: str, *, address: str, issue_id: bytes) -> int:
        """Draw a new PIN, send it to `address`, and return its generation; the old PIN is dead.

        The same `issue_id` again returns the same generation and sends nothing, so that a caller
        that never got the answer may ask again.

        Raises:
            Denied: ``too-many-pins`` within a day.
        """
        check_address(address)
        done = self.store.execute(
            "SELECT generation FROM issues WHERE issue_id = ?", (issue_id,)
        ).fetchone()
        if done is not None:
            return int(done["generation"])
        self._check_rate(vehicle_id)
        generation = 1 + self._generation(vehicle_id)
        pin = f"{uniform_below(self.entropy, 10_000):04d}"
        stored = self.hasher.store(
            pin, vehicle_id=vehicle_id, generation=generation, entropy=self.entropy
        )
        with transaction(self.store):
            self.store.execute(
                "INSERT OR REPLACE INTO pins SELECT ?, ?, ?, ?, ?, 0,"
                " 1 + coalesce(max(number), 0) FROM attempts",
                (vehicle_id, generation, stored.salt, stored.hash, address),
            )
            self.store.execute(
                "INSERT INTO issues VALUES (?, ?, ?, ?)",
                (issue_id, vehicle_id, generation, self.clock.now_s()),
            )
            # The letter goes out before the commit: a PIN that is valid but in nobody's hands helps
            # nobody.
            self.post.deliver(address, "pin", pin_letter(pin))
        return generation

    def retire(self, vehicle_id: str) -> None:
        """End the PIN without a new one: at the end of the subscription."""
        with transaction(self.store):
            self.store.execute(
                "UPDATE pins SET salt = NULL, hash = NULL WHERE vehicle_id = ?", (vehicle_id,)
            )

    def _generation(self, vehicle_id: str) -> int:
        row = self.store.execute(
            "SELECT generation FROM pins WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        return 0 if row is None else int(row["generation"])

    def _check_rate(self, vehicle_id: str) -> None:
        since = self.clock.now_s() - CAP_WINDOW_S
        count = self.store.execute(
            "SELECT count(*) FROM issues WHERE vehicle_id = ? AND at_s > ?", (vehicle_id, since)
        ).fetchone()[0]
        if count >= ISSUES_PER_DAY:
            raise Denied("too-many-pins", f"{ISSUES_PER_DAY} new PINs a day at most")
