"""Linking an app, adding a user, ending the subscription: what the owner asks in the app and the car has to agree to.

The road is that of an unlock, with an account message in the place of the grant (docs/adr/0004): request by the command
service, the car's challenge, the PIN authority's evidence, the account message with it, the car's result. Only what the
car has accepted becomes the centre's state.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from tcu_sim.centre import words
from tcu_sim.centre.account import schema
from tcu_sim.centre.account.states import State, StateBook
from tcu_sim.centre.api import Bus, Peer, Reply
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.proof import open_asked
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock, Entropy
from tcu_sim.wire.envelope import Verified, look
from tcu_sim.wire.messages import Account, Challenge, Refusal, Result
from tcu_sim.wire.numbers import Outcome, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a signed-in person asks for; `user_id` None for the end of the subscription."""

    vehicle_id: str
    service: Service
    app_account: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBook:
    """All changes that need a PIN."""

    store: sqlite3.Connection
    identity: Identity
    states: StateBook
    bus: Bus
    pin: Peer
    command: Peer
    clock: Clock
    entropy: Entropy

    async def begin(self, wish: Wish) -> Reply:
        """Draft the request, get a ticket for the PIN entry, and return both ids.

        A vehicle that does not exist gets its ticket too: what the PIN answers must not tell.

        Raises:
            Denied: the asker is not linked with the vehicle (linking itself asks for the PIN alone).
        """
        state = self.states.find(wish.vehicle_id)
        is_linked = state is not None and wish.app_account in state.users
        if wish.service is not Service.APP_LINK and not is_linked:
            raise Denied("not-linked", "link the app with the vehicle first")
        draft = await self.command.call("request-draft", self._draft_body(wish))
        ticket = await self.pin.call(
            "ticket-for-app",
            {"draft": draft["draft"], "app_account": wish.app_account, "is_linked": is_linked},
        )
        change_id = self.entropy.random_bytes(16)
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO changes (change_id, vehicle_id, service, user_id, app_account, request_id, phase)"
                " VALUES (?, ?, ?, ?, ?, ?, 'draft')",
                (
                    change_id, wish.vehicle_id, int(wish.service), wish.user_id, wish.app_account,
                    bytes.fromhex(draft["request_id"]),
                ),
            )  # fmt: skip
        return {"change_id": change_id.hex(), "ticket": ticket["ticket"]}

    async def go(self, change_id: bytes, *, app_account: str) -> None:
        """Have the request sent, after the PIN was entered (again, if it came to nothing).

        Raises:
            Denied: it is not the asker's, the subscription is not active, or the car has it already.
        """
        row = self.find(change_id, app_account=app_account)
        state = self.states.get(row["vehicle_id"])
        if row["user_id"] is not None and len({*state.users, row["user_id"]}) > schema.MOST_USERS:
            raise Denied("users", f"{schema.MOST_USERS} users at most")
        sent = await self.command.call("request-send", {"request_id": row["request_id"].hex()})
        self._move(
            row["request_id"], phase="sent", request=bytes.fromhex(sent["message"]), state=None,
            deadline_s=self.clock.now_s() + schema.CHANGE_TIMEOUT_S, reason=0, detail="",
        )  # fmt: skip

    async def on_challenge(self, challenge: Verified[Challenge], message: bytes) -> None:
        """The car asks: answer with the account message that the owner's PIN allows."""
        said = challenge.message
        await self._adopt_if_learnt(said.vehicle_id, said.account_version)
        row = self._by_request(said.request_id, said.vehicle_id)
        if row is None or row["phase"] != "sent":
            return
        asked = open_asked(self.identity, row["request"], message)
        body = {"request": row["request"].hex(), "challenge": message.hex()}
        try:
            evidence = bytes.fromhex((await self.pin.call("evidence", body))["evidence"])
        except Denied as denied:
            self._end(said.request_id, words.REJECTED, detail=str(denied))
            return
        await self._answer(row, evidence, ttl_s=asked.challenge.message.ttl_s)

    async def on_result(self, result: Result) -> None:
        """The car tells what became of an account message."""
        row = self._by_request(result.request_id, result.vehicle_id)
        if (
            row is None
            or row["account_hash"] != result.grant_hash
            or row["state"] == words.COMPLETED
        ):
            return
        if result.outcome is Outcome.EXECUTED:
            await self._adopt(row)
        else:
            state = words.state_of_result(result.outcome, result.reason)
            self._end(result.request_id, state, reason=result.reason)

    async def on_refusal(self, refusal: Refusal) -> None:
        """The car refuses; one that has lost its account state is taught again."""
        row = self._by_request(refusal.request_id or b"", refusal.vehicle_id)
        if row is None or row["phase"] not in {"sent", "published"}:
            return
        if refusal.reason >= words.ANYBODY_CAN_PROVOKE:
            state = words.state_of_refusal(refusal.reason)
            self._end(row["request_id"], state, reason=refusal.reason)
        if refusal.reason == words.ACCOUNT_MISSING:
            await self.states.teach_again(refusal.vehicle_id)

    def find(self, change_id: bytes, *, app_account: str) -> sqlite3.Row:
        """Return a change of this asker.

        Raises:
            Denied: there is none.
        """
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM changes WHERE change_id = ? AND app_account = ?",
            (change_id, app_account),
        ).fetchone()
        if row is None:
            raise Denied("change", "there is none")
        return row

    def describe(self, change_id: bytes, *, app_account: str) -> Reply:
        """Return a change as the app sees it."""
        row = self.find(change_id, app_account=app_account)
        plain = words.plain_words(row["reason"]) if row["reason"] else row["detail"]
        return {
            "change_id": change_id.hex(),
            "request_id": row["request_id"].hex(),
            "state": self._state(row),
            "reason": words.word_of(row["reason"]),
            "words": plain,
        }

    def _draft_body(self, wish: Wish) -> Reply:
        return {
            "vehicle_id": wish.vehicle_id,
            "service": wish.service.name.lower(),
            "incident_id": self.entropy.random_bytes(16).hex(),
            "parameters": {} if wish.user_id is None else {"0": wish.user_id},
        }

    async def _answer(self, row: sqlite3.Row, evidence: bytes, *, ttl_s: int) -> None:
        version = self.states.reserve_version(row["vehicle_id"])
        changed = self._changed(row, version)
        message = self.identity.sign(changed.message(self.states.epoch, evidence))
        self._move(
            row["request_id"], phase="published", version=version, message=message,
            account_hash=look(message).payload_hash,
            deadline_s=self.clock.now_s() + schema.OUTCOME_TIMEOUT_S,
        )  # fmt: skip
        await self.bus.publish(row["vehicle_id"], Account.TYP, message, expiry_s=ttl_s)

    def _changed(self, row: sqlite3.Row, version: int) -> State:
        state = self.states.get(row["vehicle_id"])
        if row["service"] == Service.END_SUBSCRIPTION:
            return replace(state, version=version, users=(), is_active=False)
        users = tuple(sorted({*state.users, row["user_id"]}))
        return replace(state, version=version, users=users)

    async def _adopt_if_learnt(self, vehicle_id: str, version: int) -> None:
        """Take over a change whose result was lost, when a challenge shows that the car has it."""
        row = self.store.execute(
            "SELECT * FROM changes WHERE vehicle_id = ? AND version = ? AND state IS NOT ?",
            (vehicle_id, version, words.COMPLETED),
        ).fetchone()
        if row is not None:
            await self._adopt(row)

    async def _adopt(self, row: sqlite3.Row) -> None:
        changed = self._changed(row, row["version"])
        self._move(row["request_id"], phase="ended", state=words.COMPLETED, reason=0, detail="")
        await self.states.adopt(changed, row["message"])

    def _state(self, row: sqlite3.Row) -> str:
        if row["state"] is not None:
            return str(row["state"])
        is_late = row["deadline_s"] is not None and self.clock.now_s() > row["deadline_s"]
        if row["phase"] == "published":
            return words.UNKNOWN if is_late else words.DELIVERED
        return words.TIMEOUT if is_late else words.WAITING

    def _by_request(self, request_id: bytes, vehicle_id: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM changes WHERE request_id = ? AND vehicle_id = ?",
            (request_id, vehicle_id),
        ).fetchone()
        return row

    def _end(self, request_id: bytes, state: str, *, reason: int = 0, detail: str = "") -> None:
        self._move(request_id, phase="ended", state=state, reason=reason, detail=detail)

    def _move(self, request_id: bytes, **columns: object) -> None:
        # The names of the columns are those of the calls above.
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with transaction(self.store):
            self.store.execute(
                f"UPDATE changes SET {assignments} WHERE request_id = ?",  # noqa: S608 - our own names
                (*columns.values(), request_id),
            )
