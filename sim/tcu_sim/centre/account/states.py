"""The account state of every vehicle: versioned, signed, and published until the vehicle shows that it has learnt it.

Order (G6): store the new version, tell the authorities, then tell the car. From the moment the authorities know, they
serve no car that has not learnt it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tcu_sim.centre.account import schema
from tcu_sim.centre.api import Bus, Peer
from tcu_sim.centre.errors import Denied, ServiceUnreachable
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.envelope import look, read
from tcu_sim.wire.messages import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the centre has about a vehicle: `message` is the newest signed account message."""

    vehicle_id: str
    version: int
    ownership_generation: int
    pin_generation: int
    users: tuple[str, ...]
    is_active: bool
    address: str
    learnt_version: int = 0

    def message(self, epoch: int, evidence: bytes | None = None) -> Account:
        """Return it as the vehicle learns it."""
        return Account(
            vehicle_id=self.vehicle_id,
            version=self.version,
            epoch=epoch,
            ownership_generation=self.ownership_generation,
            pin_generation=self.pin_generation,
            users=self.users,
            subscription_active=self.is_active,
            evidence=evidence,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBook:
    """All vehicles' account states."""

    store: sqlite3.Connection
    identity: Identity
    bus: Bus
    authorities: Sequence[Peer]
    """PIN authority and theft desk: told before the vehicle."""
    clock: Clock

    def find(self, vehicle_id: str) -> State | None:
        """Return the state of a vehicle that was ever subscribed."""
        row = self._row(vehicle_id)
        if row is None:
            return None
        return State(
            vehicle_id=vehicle_id,
            version=row["version"],
            ownership_generation=row["ownership_generation"],
            pin_generation=row["pin_generation"],
            users=tuple(json.loads(row["users"])),
            is_active=bool(row["is_active"]),
            address=row["address"],
            learnt_version=row["learnt_version"],
        )

    def get(self, vehicle_id: str) -> State:
        """Return the state of a vehicle with an active subscription.

        Raises:
            Denied: there is none.
        """
        state = self.find(vehicle_id)
        if state is None or not state.is_active:
            raise Denied("subscription", "no active subscription")
        return state

    @property
    def epoch(self) -> int:
        """The trust bundle's epoch."""
        return self.identity.trust.trust.epoch

    def reserve_version(self, vehicle_id: str) -> int:
        """Return a version that no message has had; a version that comes to nothing is not used again."""
        with transaction(self.store):
            self.store.execute(
                "UPDATE vehicles SET last_version = last_version + 1 WHERE vehicle_id = ?",
                (vehicle_id,),
            )
        row = self._row(vehicle_id)
        return 1 if row is None else int(row["last_version"])

    async def commit(self, state: State) -> State:
        """Make `state` the newest under the next version and spread the news."""
        state = replace(state, version=self.reserve_version(state.vehicle_id))
        self._put(state, self.identity.sign(state.message(self.epoch)), learnt=False)
        await self.spread(state.vehicle_id)
        return state

    async def adopt(self, state: State, message: bytes) -> None:
        """Take over a state that the vehicle has learnt already (it came with evidence)."""
        self._put(state, message, learnt=True)
        await self.spread(state.vehicle_id)

    async def teach_again(self, vehicle_id: str) -> None:
        """Teach a car that has lost its account state, which it has to begin without users.

        Raises:
            Denied: no active subscription.
        """
        state = self.get(vehicle_id)
        if state.learnt_version < state.version:
            await self.spread(vehicle_id)
        else:
            await self.commit(replace(state, users=()))

    async def renew(self) -> None:
        """Sign anew what no car can take any more; to be done when the service starts with another bundle or key.

        That is every state of another epoch (users and all: the car has not lost it), and one that the car has not
        learnt yet under a key that was rotated since.
        """
        kid = self.identity.key.public.kid
        for row in self.store.execute("SELECT * FROM vehicles").fetchall():
            envelope = look(row["message"])
            is_learnt = row["learnt_version"] >= row["version"]
            is_current = read(envelope, Account).epoch == self.epoch
            state = self.find(row["vehicle_id"])
            if state is not None and not (is_current and (is_learnt or envelope.kid == kid)):
                await self.commit(state)

    async def remove_user(self, vehicle_id: str, user_id: str, *, asked_by: str) -> State:
        """Take a user away; that needs no PIN.

        Raises:
            Denied: the asker, or who is to go, is no user of the vehicle.
        """
        state = self.get(vehicle_id)
        if asked_by not in state.users:
            raise Denied("not-linked", "not a user of this vehicle")
        if user_id not in state.users:
            known = ", ".join(state.users)
            raise Denied(
                "no-such-user", f"{user_id!r} is no user of {vehicle_id}; there are: {known}"
            )
        users = tuple(user for user in state.users if user != user_id)
        return await self.commit(replace(state, users=users))

    def set_address(self, vehicle_id: str, address: str) -> None:
        """Change where letters go; nothing that the car knows changes."""
        with transaction(self.store):
            self.store.execute(
                "UPDATE vehicles SET address = ? WHERE vehicle_id = ?", (address, vehicle_id)
            )

    def note_learnt(self, vehicle_id: str, version: int) -> None:
        """The vehicle has shown which version it knows."""
        with transaction(self.store):
            self.store.execute(
                "UPDATE vehicles SET learnt_version = max(learnt_version, ?) WHERE vehicle_id = ?",
                (version, vehicle_id),
            )

    async def spread(self, vehicle_id: str) -> None:
        """Tell the authorities, then the vehicle; whoever cannot be reached is told later (`tick`)."""
        row = self._row(vehicle_id)
        if row is None:
            return
        if not row["is_told"]:
            try:
                await self._tell_authorities(row)
            except ServiceUnreachable:
                return
        if row["learnt_version"] < row["version"]:
            self._mark_published(vehicle_id)
            expiry_s = _pause_s(row["times_published"])
            await self.bus.publish(vehicle_id, Account.TYP, row["message"], expiry_s=expiry_s)

    async def tick(self) -> None:
        """Tell again whoever has not learnt yet."""
        now_s = self.clock.now_s()
        rows = self.store.execute(
            "SELECT * FROM vehicles WHERE is_told = 0 OR learnt_version < version"
        ).fetchall()
        for row in rows:
            published_at_s = row["published_at_s"] or 0
            if now_s >= published_at_s + _pause_s(row["times_published"] - 1):
                await self.spread(row["vehicle_id"])

    async def _tell_authorities(self, row: sqlite3.Row) -> None:
        names = ("vehicle_id", "version", "ownership_generation", "pin_generation")
        body = {**{name: row[name] for name in names}, "is_active": bool(row["is_active"])}
        for authority in self.authorities:
            await authority.call("standing", body)
        with transaction(self.store):
            self.store.execute(
                "UPDATE vehicles SET is_told = 1 WHERE vehicle_id = ? AND version = ?",
                (row["vehicle_id"], row["version"]),
            )

    def _mark_published(self, vehicle_id: str) -> None:
        with transaction(self.store):
            self.store.execute(
                "UPDATE vehicles SET published_at_s = ?, times_published = times_published + 1 WHERE vehicle_id = ?",
                (self.clock.now_s(), vehicle_id),
            )

    def _put(self, state: State, message: bytes, *, learnt: bool) -> None:
        learnt_version = state.version if learnt else state.learnt_version
        with transaction(self.store):
            self.store.execute(
                "INSERT OR REPLACE INTO vehicles VALUES (?1, ?2, max(?2, coalesce((SELECT last_version FROM vehicles"
                " WHERE vehicle_id = ?1), 0)), ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, NULL, 0)",
                (
                    state.vehicle_id, state.version, state.ownership_generation,
                    state.pin_generation, json.dumps(state.users), int(state.is_active),
                    state.address, message, learnt_version,
                ),
            )  # fmt: skip

    def _row(self, vehicle_id: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM vehicles WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        return row


def _pause_s(times_published: int) -> int:
    """Return how long to wait before an account message is published once more."""
    pause_s: int = schema.REPUBLISH_AFTER_S << min(max(times_published, 0), 12)
    return min(pause_s, schema.LONGEST_REPUBLISH_S)
