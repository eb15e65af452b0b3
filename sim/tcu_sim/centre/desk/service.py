"""The theft desk's operations and who may use them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.centre.api import OPERATOR, Bus, Call, Operation, Reply
from tcu_sim.centre.desk.approvals import ApprovalDesk
from tcu_sim.centre.desk.cases import CaseBook, Confirmation
from tcu_sim.centre.desk.positions import PositionBook
from tcu_sim.centre.desk.vault import Vault
from tcu_sim.centre.errors import CentreError
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.news import News
from tcu_sim.centre.standing import Standing, read_news
from tcu_sim.centre.world import Clock, Entropy
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.messages import CaseEnd, Position

log = logging.getLogger(__name__)
ID_BYTES = 16
CLERK = frozenset({"desk-clerk"})
PARTY_OF = {"owner": "owner", "police": "police"}
"""Caller -> the party that it speaks for; operators speak for the centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the theft desk works with."""

    store: sqlite3.Connection
    identity: Identity
    hpke: Sequence[X25519PrivateKey] = field(repr=False)
    """In use, and those of a rotation under way."""
    store_key: bytes = field(repr=False)
    bus: Bus
    clock: Clock
    entropy: Entropy


class TheftDesk:
    """The theft desk as a service."""

    name = "desk"
    topics = ("position",)

    def __init__(self, means: Means) -> None:
        store, clock = means.store, means.clock
        vault = Vault(store_key=means.store_key, entropy=means.entropy)
        self._identity = means.identity
        self._bus = means.bus
        self._news = News()
        self._standing = Standing(store=store, identity=means.identity)
        self._cases = CaseBook(store=store, vault=vault, clock=clock, entropy=means.entropy)
        self._approvals = ApprovalDesk(
            store=store,
            identity=means.identity,
            cases=self._cases,
            standing=self._standing,
            clock=clock,
        )
        self._positions = PositionBook(
            store=store,
            identity=means.identity,
            cases=self._cases,
            vault=vault,
            hpke=means.hpke,
            clock=clock,
        )

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it offers, by name."""
        everybody = frozenset({OPERATOR, "owner", "police", "desk-clerk"})
        return {
            "case-open": Operation(frozenset({OPERATOR}), self._open),
            "case-confirm": Operation(frozenset({OPERATOR, "owner", "police"}), self._confirm),
            "case": Operation(everybody, self._show),
            "case-end": Operation(CLERK | {OPERATOR}, self._end),
            "positions": Operation(CLERK, self._show_positions),
            "approve": Operation(frozenset({"command"}), self._approve),
            "standing": Operation(frozenset({"account"}), self._learn),
        }

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Take a position; whatever is wrong with it is logged (without it) and ends here."""
        if message_type != Position.TYP:
            return
        try:
            position = self._identity.vehicles.open(payload, Position, vehicle_id).message
            answer = self._positions.take(position)
        except (WireError, CentreError) as error:
            log.warning("%s/position: %s", vehicle_id, error)
            return
        self._news.tell()
        if answer is not None:
            await self._bus.publish(vehicle_id, answer.TYP, self._identity.sign(answer))

    async def tick(self) -> None:
        """Nothing to do as time passes."""

    async def _open(self, call: Call) -> Reply:
        return self._cases.describe(self._cases.open(call.text("vehicle_id"), operator=call.caller))

    async def _confirm(self, call: Call) -> Reply:
        case_id = call.octets("case_id", ID_BYTES)
        confirmation = Confirmation(
            party=PARTY_OF.get(call.caller, "centre"),
            caller=call.caller,
            reference=call.text("reference"),
        )
        self._cases.confirm(case_id, confirmation)
        return self._cases.describe(case_id)

    async def _show(self, call: Call) -> Reply:
        return self._cases.describe(call.octets("case_id", ID_BYTES))

    async def _end(self, call: Call) -> Reply:
        case_id = call.octets("case_id", ID_BYTES)
        self._cases.end(case_id)
        case = self._cases.describe(case_id)
        end = CaseEnd(vehicle_id=case["vehicle_id"], case_id=case_id)
        await self._bus.publish(end.vehicle_id, end.TYP, self._identity.sign(end))
        return case

    async def _show_positions(self, call: Call) -> Reply:
        case_id = call.octets("case_id", ID_BYTES)
        at_least = call.integer("at_least", default=0)
        positions = await self._news.wait_until(
            lambda: self._positions.listing(case_id),
            lambda seen: len(seen) >= at_least,
            timeout_s=call.number("timeout_s", default=0),
        )
        return {"positions": positions}

    async def _approve(self, call: Call) -> Reply:
        approval = self._approvals.give(call.octets("request"), call.octets("challenge"))
        return {"approval": approval.hex()}

    async def _learn(self, call: Call) -> Reply:
        self._standing.learn(read_news(call))
        return {}
