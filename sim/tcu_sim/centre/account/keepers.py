"""Where letters go: a change of keeper or of address needs proof, a second operator, a letter to the old address.

And time. So does a subscription that begins again after its end: it is a change of keeper, whoever asks for it.

Otherwise one operator could send the next PIN to a friend. Source: protocol.md, "PIN side".
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.account.renewals import KEEPER, SUBSCRIPTION, Renewals
from tcu_sim.centre.account.states import State, StateBook
from tcu_sim.centre.api import Peer, Reply
from tcu_sim.centre.errors import BadCall, Denied
from tcu_sim.centre.pin.post import check_address
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy

log = logging.getLogger(__name__)
ADDRESS = "address"
OPEN = ("proposed", "confirmed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to change. `kind`: ``keeper`` or ``address``; `proof`: reference of the document that was seen."""

    vehicle_id: str
    kind: str
    address: str
    proof: str
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperDesk:
    """Changes of keeper and address. `hold_s`: how long a change waits after it was proposed."""

    store: sqlite3.Connection
    states: StateBook
    renewals: Renewals
    pin: Peer
    clock: Clock
    entropy: Entropy
    hold_s: float

    async def propose(self, wish: Wish) -> bytes:
        """Note a wish, write to the old address, and return the id of the change.

        Raises:
            Denied: no active subscription (for a new keeper one that has ended will do), or another
                change is open.
        """
        if wish.kind not in {KEEPER, ADDRESS}:
            raise BadCall("kind: keeper or address")
        check_address(wish.address)
        state, kind = self._begin(wish)
        if any(row["state"] in OPEN for row in self._rows(wish.vehicle_id)):
            raise Denied("busy", "another change for this vehicle is open")
        change_id = self.entropy.random_bytes(16)
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO keeper_changes VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 'proposed')",
                (
                    change_id, wish.vehicle_id, kind, wish.address, wish.proof, wish.operator,
                    self.clock.now_s(),
                ),
            )  # fmt: skip
        await self.pin.call("notify", {"address": state.address, "kind": "address-change"})
        return change_id

    def confirm(self, change_id: bytes, *, operator: str) -> None:
        """A second operator agrees.

        Raises:
            Denied: it is the same operator, or the change is not open.
        """
        row = self._open(change_id)
        if row["proposed_by"] == operator:
            raise Denied("second-operator", "another operator has to confirm")
        self._set(change_id, "confirmed", operator)

    def cancel(self, change_id: bytes) -> None:
        """The old keeper has objected.

        Raises:
            Denied: the change is not open.
        """
        self._open(change_id)
        self._set(change_id, "cancelled", None)

    async def tick(self) -> None:
        """Carry out what was confirmed and has waited long enough."""
        due = self.store.execute(
            "SELECT * FROM keeper_changes WHERE state = 'confirmed' AND proposed_at_s <= ?",
            (self.clock.now_s() - self.hold_s,),
        ).fetchall()
        for row in due:
            try:
                await self._carry_out(row)
            except Denied as denied:
                log.warning("change of keeper for %s: %s", row["vehicle_id"], denied)

    async def _carry_out(self, row: sqlite3.Row) -> None:
        state = self.states.find(row["vehicle_id"])
        is_active = state is not None and state.is_active
        if row["kind"] == SUBSCRIPTION and is_active:
            # Nothing else can have begun it again: the renewal was cut off and carried on since.
            self._set(row["change_id"], "done", None)
            return
        if row["kind"] != SUBSCRIPTION and not is_active:
            # The subscription ended while the change waited: it can never be carried out.
            self._set(row["change_id"], "cancelled", None)
            return
        if row["kind"] in {KEEPER, SUBSCRIPTION}:
            await self.renewals.change_keeper(row["vehicle_id"], row["address"])
        else:
            self.states.set_address(row["vehicle_id"], row["address"])
        self._set(row["change_id"], "done", None)

    def describe(self, change_id: bytes) -> Reply:
        """Return a change as operators see it."""
        row = self._row(change_id)
        waits_s = row["proposed_at_s"] + self.hold_s - self.clock.now_s()
        return {
            "keeper_change_id": change_id.hex(),
            "vehicle_id": row["vehicle_id"],
            "kind": row["kind"],
            "state": row["state"],
            "waits_s": max(waits_s, 0) if row["state"] in OPEN else 0,
        }

    def _begin(self, wish: Wish) -> tuple[State, str]:
        """Return what is to change and how: a keeper of a subscription that has ended begins a new one."""
        state = self.states.find(wish.vehicle_id)
        if state is None or state.is_active or wish.kind != KEEPER:
            return self.states.get(wish.vehicle_id), wish.kind
        return state, SUBSCRIPTION

    def _open(self, change_id: bytes) -> sqlite3.Row:
        row = self._row(change_id)
        if row["state"] not in OPEN:
            raise Denied("keeper-change", "not open any more")
        return row

    def _row(self, change_id: bytes) -> sqlite3.Row:
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM keeper_changes WHERE change_id = ?", (change_id,)
        ).fetchone()
        if row is None:
            raise Denied("keeper-change", "there is none")
        return row

    def _rows(self, vehicle_id: str) -> list[sqlite3.Row]:
        return self.store.execute(
            "SELECT * FROM keeper_changes WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchall()

    def _set(self, change_id: bytes, state: str, operator: str | None) -> None:
        with transaction(self.store):
            self.store.execute(
                "UPDATE keeper_changes SET state = ?, confirmed_by = coalesce(?, confirmed_by) WHERE change_id = ?",
                (state, operator, change_id),
            )
