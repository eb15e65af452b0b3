"""The PIN authority's operations and who may use them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from tcu_sim.centre.api import OPERATOR, Call, Operation, Reply
from tcu_sim.centre.errors import BadCall
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.pin.attempts import AttemptBook
from tcu_sim.centre.pin.entry import Entry, EntryDesk
from tcu_sim.centre.pin.evidence import EvidenceDesk
from tcu_sim.centre.pin.hashing import PinHasher
from tcu_sim.centre.pin.issuing import Issuer
from tcu_sim.centre.pin.post import NOTICES, Post
from tcu_sim.centre.pin.tickets import TicketOffice
from tcu_sim.centre.standing import Standing, read_news
from tcu_sim.centre.world import Clock, Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the PIN authority works with."""

    store: sqlite3.Connection
    identity: Identity
    hasher: PinHasher
    post: Post
    clock: Clock
    entropy: Entropy


class PinAuthority:
    """The PIN authority as a service."""

    name = "pin"
    topics: tuple[str, ...] = ()

    def __init__(self, means: Means) -> None:
        store, clock, entropy = means.store, means.clock, means.entropy
        self._store = store
        self._post = means.post
        self._standing = Standing(store=store, identity=means.identity)
        self._attempts = AttemptBook(store=store, post=means.post, clock=clock)
        self._tickets = TicketOffice(
            store=store, identity=means.identity, clock=clock, entropy=entropy
        )
        self._issuer = Issuer(
            store=store, hasher=means.hasher, post=means.post, clock=clock, entropy=entropy
        )
        self._evidence = EvidenceDesk(
            store=store, identity=means.identity, standing=self._standing, clock=clock
        )
        self._entries = EntryDesk(
            store=store,
            hasher=means.hasher,
            tickets=self._tickets,
            attempts=self._attempts,
            post=means.post,
            clock=clock,
            entropy=entropy,
        )

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it offers, by name."""
        account = frozenset({"account"})
        return {
            "enter": Operation(frozenset({"app", "keypad", OPERATOR}), self._enter),
            "evidence": Operation(frozenset({"command", "account"}), self._give_evidence),
            "report-call": Operation(frozenset({"telephone", "account"}), self._report_call),
            "ticket-for-call": Operation(frozenset({"command"}), self._ticket_for_call),
            "ticket-for-app": Operation(account, self._ticket_for_app),
            "app-account": Operation(account, self._app_account),
            "issue": Operation(account, self._issue),
            "notify": Operation(account, self._notify),
            "standing": Operation(account, self._learn),
            "alarms": Operation(frozenset({OPERATOR}), self._alarms),
        }

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """It has no connection to the vehicles: nothing arrives here."""

    async def tick(self) -> None:
        """Nothing to do as time passes."""

    async def _enter(self, call: Call) -> Reply:
        was_heard = call.caller not in {"app", "keypad"}
        entry = Entry(call.text("ticket"), call.text("pin", longest=16), was_heard)
        return {"answer": self._entries.enter(entry)}

    async def _give_evidence(self, call: Call) -> Reply:
        evidence = self._evidence.give(call.octets("request"), call.octets("challenge"))
        return {"evidence": evidence.hex()}

    async def _report_call(self, call: Call) -> Reply:
        vehicle_id = call.text("vehicle_id") if call.has("vehicle_id") else None
        self._tickets.report_call(
            call.octets("incident_id", 16), caller=call.text("caller"), vehicle_id=vehicle_id
        )
        return {}

    async def _ticket_for_call(self, call: Call) -> Reply:
        ticket = self._tickets.for_call(
            call.octets("draft"),
            incident_id=call.octets("incident_id", 16),
            event=call.octets("event") if call.has("event") else None,
        )
        return {"ticket": ticket}

    async def _ticket_for_app(self, call: Call) -> Reply:
        ticket = self._tickets.for_app(
            call.octets("draft"),
            app_account=call.text("app_account"),
            is_linked=call.flag("is_linked"),
        )
        return {"ticket": ticket}

    async def _app_account(self, call: Call) -> Reply:
        return {"is_locked": self._attempts.is_locked(call.text("app_account"))}

    async def _issue(self, call: Call) -> Reply:
        generation = self._issuer.issue(
            call.text("vehicle_id"),
            address=call.text("address"),
            issue_id=call.octets("issue_id", 16),
        )
        return {"pin_generation": generation}

    async def _notify(self, call: Call) -> Reply:
        kind = call.text("kind")
        if kind not in NOTICES:
            raise BadCall("kind: no such notice")
        self._post.deliver(call.text("address"), kind, NOTICES[kind])
        return {}

    async def _learn(self, call: Call) -> Reply:
        news = read_news(call)
        self._standing.learn(news)
        if not news.is_active:
            self._issuer.retire(news.vehicle_id)
        return {}

    async def _alarms(self, _: Call) -> Reply:
        rows = self._store.execute("SELECT at_s, vehicles FROM alarms ORDER BY at_s").fetchall()
        return {"alarms": [dict(row) for row in rows]}
