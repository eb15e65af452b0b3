"""The account service's operations and who may use them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from argon2 import PasswordHasher

from tcu_sim.centre.account import schema
from tcu_sim.centre.account.changes import ChangeBook
from tcu_sim.centre.account.changes import Wish as ChangeWish
from tcu_sim.centre.account.contact import ContactDesk
from tcu_sim.centre.account.keepers import KeeperDesk, Wish
from tcu_sim.centre.account.people import AppAccounts, Credentials
from tcu_sim.centre.account.renewals import Renewals
from tcu_sim.centre.account.states import State, StateBook
from tcu_sim.centre.api import OPERATOR, Bus, Call, Operation, Peer, Reply
from tcu_sim.centre.errors import CentreError, Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.news import News
from tcu_sim.centre.world import Clock, Entropy
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.messages import Availability, Challenge, Event, Refusal, Result
from tcu_sim.wire.numbers import Presence, Service, Told

log = logging.getLogger(__name__)
ID_BYTES = 16
APP = frozenset({"app"})
OPERATORS = frozenset({OPERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the account service works with. `keeper_hold_s`: how long a change of keeper waits."""

    store: sqlite3.Connection
    identity: Identity
    passwords: PasswordHasher
    bus: Bus
    pin: Peer
    command: Peer
    desk: Peer
    clock: Clock
    entropy: Entropy
    keeper_hold_s: float = schema.KEEPER_HOLD_S


class AccountService:
    """The account service as a service."""

    name = "account"
    topics = ("challenge", "refusal", "result", "event", "availability")

    def __init__(self, means: Means) -> None:
        store, clock, entropy = means.store, means.clock, means.entropy
        self._identity = means.identity
        self._news = News()
        self._is_renewed = False
        self._states = StateBook(
            store=store,
            identity=means.identity,
            bus=means.bus,
            authorities=(means.pin, means.desk),
            clock=clock,
        )
        self._renewals = Renewals(store=store, states=self._states, pin=means.pin, entropy=entropy)
        self._keepers = KeeperDesk(
            store=store,
            states=self._states,
            renewals=self._renewals,
            pin=means.pin,
            clock=clock,
            entropy=entropy,
            hold_s=means.keeper_hold_s,
        )
        self._people = AppAccounts(
            store=store, passwords=means.passwords, pin=means.pin, clock=clock, entropy=entropy
        )
        self._changes = ChangeBook(
            store=store,
            identity=means.identity,
            states=self._states,
            bus=means.bus,
            pin=means.pin,
            command=means.command,
            clock=clock,
            entropy=entropy,
        )
        self._contact = ContactDesk(pin=means.pin, command=means.command, entropy=entropy)

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it offers, by name."""
        return {
            "subscribe": Operation(OPERATORS, self._subscribe),
            "reissue": Operation(OPERATORS, self._reissue),
            "state": Operation(OPERATORS, self._show_state),
            "teach-again": Operation(OPERATORS, self._teach_again),
            "keeper-propose": Operation(OPERATORS, self._propose_keeper),
            "keeper-confirm": Operation(OPERATORS, self._confirm_keeper),
            "keeper-cancel": Operation(OPERATORS, self._cancel_keeper),
            "keeper-change": Operation(OPERATORS, self._show_keeper_change),
            "create-account": Operation(APP, self._create_account),
            "sign-in": Operation(APP, self._sign_in),
            "change-begin": Operation(APP, self._begin_change),
            "change-go": Operation(APP, self._go_change),
            "change": Operation(APP, self._show_change),
            "remove-user": Operation(APP, self._remove_user),
            "contact": Operation(APP, self._contact_assistance),
        }

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Take a message from a vehicle; whatever is wrong with it is logged and ends here."""
        try:
            await self._receive(vehicle_id, message_type, payload)
        except (WireError, CentreError) as error:
            log.warning("%s/%s: %s", vehicle_id, message_type, error)
        self._news.tell()

    async def tick(self) -> None:
        """Carry on with whatever waits for somebody to be reachable, or for time."""
        try:
            if not self._is_renewed:
                await self._states.renew()
                self._is_renewed = True
            await self._renewals.resume()
            await self._keepers.tick()
            await self._states.tick()
        except CentreError as error:
            log.warning("%s", error)

    async def _receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        vehicles = self._identity.vehicles
        if message_type == Challenge.TYP:
            challenge = vehicles.open(payload, Challenge, vehicle_id)
            self._states.note_learnt(vehicle_id, challenge.message.account_version)
            await self._changes.on_challenge(challenge, payload)
            await self._states.spread(vehicle_id)
        elif message_type == Result.TYP:
            await self._changes.on_result(vehicles.open(payload, Result, vehicle_id).message)
        elif message_type == Refusal.TYP:
            await self._changes.on_refusal(vehicles.open(payload, Refusal, vehicle_id).message)
        elif message_type == Event.TYP:
            event = vehicles.open(payload, Event, vehicle_id).message
            if event.kind == Told.STARTED:
                await self._states.spread(vehicle_id)
            self._note_account_changed(event)
        elif message_type == Availability.TYP:
            told = vehicles.open(payload, Availability, vehicle_id).message
            if told.presence is Presence.ONLINE:
                await self._states.spread(vehicle_id)

    def _note_account_changed(self, event: Event) -> None:
        version = event.values.get(ACCOUNT_VERSION)
        if event.kind == Told.ACCOUNT_CHANGED and type(version) is int:
            self._states.note_learnt(event.vehicle_id, version)

    async def _subscribe(self, call: Call) -> Reply:
        vehicle_id = self._identity.known_vehicle(call.text("vehicle_id"))
        return _describe(await self._renewals.subscribe(vehicle_id, call.text("address")))

    async def _reissue(self, call: Call) -> Reply:
        vehicle_id = call.text("vehicle_id")
        await self._contact.check_incident(call.octets("incident_id", ID_BYTES), vehicle_id)
        return _describe(await self._renewals.reissue(vehicle_id))

    async def _show_state(self, call: Call) -> Reply:
        vehicle_id = call.text("vehicle_id")
        state = await self._news.wait_until(
            lambda: self._states.find(vehicle_id),
            lambda seen: seen is not None and seen.learnt_version >= seen.version,
            timeout_s=call.number("timeout_s", default=0),
        )
        if state is None:
            raise Denied("subscription", "this vehicle never had one")
        return _describe(state)

    async def _teach_again(self, call: Call) -> Reply:
        await self._states.teach_again(call.text("vehicle_id"))
        return {}

    async def _propose_keeper(self, call: Call) -> Reply:
        wish = Wish(
            vehicle_id=call.text("vehicle_id"),
            kind=call.text("kind"),
            address=call.text("address"),
            proof=call.text("proof"),
            operator=call.caller,
        )
        return self._keepers.describe(await self._keepers.propose(wish))

    async def _confirm_keeper(self, call: Call) -> Reply:
        change_id = call.octets("keeper_change_id", ID_BYTES)
        self._keepers.confirm(change_id, operator=call.caller)
        return self._keepers.describe(change_id)

    async def _cancel_keeper(self, call: Call) -> Reply:
        change_id = call.octets("keeper_change_id", ID_BYTES)
        self._keepers.cancel(change_id)
        return self._keepers.describe(change_id)

    async def _show_keeper_change(self, call: Call) -> Reply:
        return self._keepers.describe(call.octets("keeper_change_id", ID_BYTES))

    async def _create_account(self, call: Call) -> Reply:
        return {"app_account": await self._people.create(_credentials(call))}

    async def _sign_in(self, call: Call) -> Reply:
        return {"session": await self._people.sign_in(_credentials(call))}

    async def _begin_change(self, call: Call) -> Reply:
        app_account = await self._people.signed_in(_session(call))
        service = SERVICES.get(call.text("service"))
        if service is None:
            raise Denied("service", "app-link, add-user or end-subscription")
        user_id = self._added(call) if service is Service.ADD_USER else app_account
        wish = ChangeWish(
            vehicle_id=call.text("vehicle_id"),
            service=service,
            app_account=app_account,
            user_id=None if service is Service.END_SUBSCRIPTION else user_id,
        )
        return await self._changes.begin(wish)

    def _added(self, call: Call) -> str:
        """Return who is to be added; a car that trusts a user whom nobody can be would never show it."""
        user_id = call.text("user_id")
        if not self._people.has(user_id):
            what = f"{user_id!r} is no app account; its id is what creating it printed"
            raise Denied("no-such-user", what)
        return user_id

    async def _go_change(self, call: Call) -> Reply:
        app_account = await self._people.signed_in(_session(call))
        change_id = call.octets("change_id", ID_BYTES)
        await self._changes.go(change_id, app_account=app_account)
        return self._changes.describe(change_id, app_account=app_account)

    async def _show_change(self, call: Call) -> Reply:
        app_account = await self._people.signed_in(_session(call))
        change_id = call.octets("change_id", ID_BYTES)
        return await self._news.wait_until(
            lambda: self._changes.describe(change_id, app_account=app_account),
            lambda seen: seen["state"] not in {"waiting", "delivered"},
            timeout_s=call.number("timeout_s", default=0),
        )

    async def _remove_user(self, call: Call) -> Reply:
        app_account = await self._people.signed_in(_session(call))
        return _describe(
            await self._states.remove_user(
                call.text("vehicle_id"), call.text("user_id"), asked_by=app_account
            )
        )

    async def _contact_assistance(self, call: Call) -> Reply:
        app_account = await self._people.signed_in(_session(call))
        vehicle_id = call.text("vehicle_id")
        if app_account not in self._states.get(vehicle_id).users:
            raise Denied("not-linked", "link the app with the vehicle first, or call by telephone")
        incident_id = await self._contact.open(vehicle_id, app_account)
        return {"incident_id": incident_id.hex()}


ACCOUNT_VERSION = "Vehicle.TCU.Account.Version"
"""Overlay path in the event `account-changed`."""
SERVICES = {
    "app-link": Service.APP_LINK,
    "add-user": Service.ADD_USER,
    "end-subscription": Service.END_SUBSCRIPTION,
}


def _session(call: Call) -> str:
    if not call.body.get("session"):
        raise Denied("signed-out", "sign in first")
    return call.text("session")


def _credentials(call: Call) -> Credentials:
    return Credentials(call.text("login"), call.text("password"))


def _describe(state: State) -> Reply:
    return {
        "vehicle_id": state.vehicle_id,
        "version": state.version,
        "learnt_version": state.learnt_version,
        "ownership_generation": state.ownership_generation,
        "pin_generation": state.pin_generation,
        "users": list(state.users),
        "is_active": state.is_active,
    }
