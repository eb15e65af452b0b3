"""New PINs, from the account's side: at subscription, on request (S8), and with a new keeper.

The account service says for which vehicle and to which registered address; it never sees the PIN. A renewal is noted
before the PIN authority is asked, so that after a crash it is asked again under the same id and issues nothing twice.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, replace

from tcu_sim.centre.account.states import State, StateBook
from tcu_sim.centre.api import Peer
from tcu_sim.centre.errors import BadCall, CentreError, Denied, ServiceUnreachable
from tcu_sim.centre.pin.post import check_address
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Entropy

log = logging.getLogger(__name__)
SUBSCRIPTION = "subscription"
REISSUE = "reissue"
KEEPER = "keeper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewals:
    """Issues PINs through the PIN authority."""

    store: sqlite3.Connection
    states: StateBook
    pin: Peer
    entropy: Entropy

    async def subscribe(self, vehicle_id: str, address: str) -> State:
        """Begin a vehicle's first subscription: the PIN is generated and goes to `address`.

        One that has ended begins again as a change of keeper does (`KeeperDesk`): else an operator
        alone could have the PIN of somebody's car sent to a friend.

        Raises:
            BadCall: the address has not the form of an address id; nothing was stored.
            Denied: it is active already, or it was once.
        """
        if (state := self.states.find(vehicle_id)) is not None:
            how = "active already" if state.is_active else "it has ended: propose a keeper"
            raise Denied("subscription", how)
        return await self._renew(vehicle_id, SUBSCRIPTION, address)

    async def reissue(self, vehicle_id: str) -> State:
        """Replace the PIN; the new one goes to the registered keeper, wherever the wish came from.

        Raises:
            Denied: no active subscription, or too many new PINs today.
        """
        return await self._renew(vehicle_id, REISSUE, self.states.get(vehicle_id).address)

    async def change_keeper(self, vehicle_id: str, address: str) -> State:
        """Register a new keeper: the car forgets its users, and the new PIN goes to the new address.

        A subscription that has ended begins again with that.

        Raises:
            Denied: there never was one, or another new PIN is under way.
        """
        if self.states.find(vehicle_id) is None:
            raise Denied("subscription", "this vehicle never had one")
        return await self._renew(vehicle_id, KEEPER, address)

    async def resume(self) -> None:
        """Carry on with renewals that a crash or an unreachable PIN authority cut off."""
        for row in self.store.execute("SELECT * FROM renewals").fetchall():
            try:
                await self._carry_out(row)
            except ServiceUnreachable:
                return
            except CentreError as error:
                # One vehicle's trouble must not keep the others waiting.
                log.warning("new PIN for %s: %s", row["vehicle_id"], error)

    async def _renew(self, vehicle_id: str, kind: str, address: str) -> State:
        check_address(address)
        with transaction(self.store):
            self.store.execute(
                "INSERT OR IGNORE INTO renewals VALUES (?, ?, ?, ?)",
                (vehicle_id, self.entropy.random_bytes(16), kind, address),
            )
        row = self.store.execute(
            "SELECT * FROM renewals WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        if (row["kind"], row["address"]) != (kind, address):
            raise Denied("busy", "another new PIN for this vehicle is under way")
        return await self._carry_out(row)

    async def _carry_out(self, row: sqlite3.Row) -> State:
        vehicle_id = row["vehicle_id"]
        body = {
            "vehicle_id": vehicle_id,
            "address": row["address"],
            "issue_id": row["issue_id"].hex(),
        }
        try:
            generation = int((await self.pin.call("issue", body))["pin_generation"])
        except (Denied, BadCall):
            # Asked again it would be refused again: kept, it would be in the way of every later wish.
            self._forget(vehicle_id)
            raise
        state = await self.states.commit(self._renewed(row, generation))
        self._forget(vehicle_id)
        return state

    def _renewed(self, row: sqlite3.Row, generation: int) -> State:
        state = self.states.find(row["vehicle_id"]) or State(
            vehicle_id=row["vehicle_id"],
            version=0,
            ownership_generation=1,
            pin_generation=0,
            users=(),
            is_active=True,
            address=row["address"],
        )
        state = replace(state, pin_generation=generation, is_active=True, address=row["address"])
        if row["kind"] == KEEPER:
            return replace(state, ownership_generation=state.ownership_generation + 1, users=())
        return state

    def _forget(self, vehicle_id: str) -> None:
        with transaction(self.store):
            self.store.execute("DELETE FROM renewals WHERE vehicle_id = ?", (vehicle_id,))
