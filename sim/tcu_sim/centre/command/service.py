"""The command service's operations and who may use them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from tcu_sim.centre.api import OPERATOR, Bus, Call, Operation, Peer, Reply
from tcu_sim.centre.command import schema
from tcu_sim.centre.command.fleet import Fleet
from tcu_sim.centre.command.flow import Flow
from tcu_sim.centre.command.incidents import ON_CALL, IncidentBook, Origin, describe
from tcu_sim.centre.command.records import RecordBook
from tcu_sim.centre.command.reports import describe_record
from tcu_sim.centre.command.requests import RequestBook
from tcu_sim.centre.errors import BadCall, Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.news import News
from tcu_sim.centre.world import Clock, Entropy
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.fields import unpack
from tcu_sim.wire.messages import Request
from tcu_sim.wire.numbers import ACCOUNT_SERVICES, Service
from tcu_sim.wire.numbers import Call as CallState
from tcu_sim.wire.parameters import FORMS

OPERATORS = frozenset({OPERATOR})
ASKERS = frozenset({OPERATOR, "account"})
ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the command service works with."""

    store: sqlite3.Connection
    identity: Identity
    bus: Bus
    pin: Peer
    desk: Peer
    clock: Clock
    entropy: Entropy


class CommandService:
    """The command service as a service."""

    name = "command"
    topics = ("challenge", "refusal", "result", "event", "availability")

    def __init__(self, means: Means) -> None:
        store, clock = means.store, means.clock
        self._means = means
        self._news = News()
        self._fleet = Fleet(store=store, clock=clock)
        self._incidents = IncidentBook(store=store, clock=clock)
        self._records = RecordBook(store=store, clock=clock)
        self._requests = RequestBook(
            store=store, identity=means.identity, fleet=self._fleet, clock=clock
        )
        self._flow = Flow(
            store=store,
            identity=means.identity,
            requests=self._requests,
            incidents=self._incidents,
            records=self._records,
            fleet=self._fleet,
            bus=means.bus,
            pin=means.pin,
            desk=means.desk,
            news=self._news,
        )

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it offers, by name."""
        return {
            "incident-open": Operation(frozenset({"telephone", "account"}), self._open_incident),
            "incidents": Operation(OPERATORS, self._list_incidents),
            "incident": Operation(ASKERS, self._show_incident),
            "incident-answer": Operation(OPERATORS, self._answer),
            "incident-end": Operation(OPERATORS, self._end),
            "request-draft": Operation(ASKERS, self._draft),
            "request-ticket": Operation(OPERATORS, self._ticket),
            "request-send": Operation(ASKERS, self._send),
            "request": Operation(ASKERS, self._show_request),
            "grant-again": Operation(OPERATORS, self._grant_again),
            "vehicle": Operation(OPERATORS, self._show_vehicle),
            "records": Operation(OPERATORS, self._show_records),
            "trust-publish": Operation(OPERATORS, self._publish_trust),
        }

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Take a message from a vehicle."""
        await self._flow.receive(vehicle_id, message_type, payload)

    async def tick(self) -> None:
        """Nothing to do as time passes: what operators see is worked out when they look."""

    async def _open_incident(self, call: Call) -> Reply:
        vehicle_id = call.text("vehicle_id") if call.has("vehicle_id") else None
        source = "app" if call.caller == "account" else call.caller
        origin = Origin(source=source, caller=call.text("caller"), vehicle_id=vehicle_id)
        self._incidents.open_call(call.octets("incident_id", ID_BYTES), origin)
        self._news.tell()
        return {}

    async def _list_incidents(self, call: Call) -> Reply:
        vehicle_id = call.text("vehicle_id") if call.has("vehicle_id") else None
        only_open = call.flag("only_open")

        def look() -> list[Reply]:
            found = self._incidents.listing(vehicle_id)
            return [incident for incident in found if incident["is_open"] or not only_open]

        timeout_s = call.number("timeout_s", default=0)
        return {"incidents": await self._news.wait_until(look, bool, timeout_s=timeout_s)}

    async def _show_incident(self, call: Call) -> Reply:
        return describe(self._incidents.find(call.octets("incident_id", ID_BYTES)))

    async def _answer(self, call: Call) -> Reply:
        return await self._move_call(call, CallState.CONNECTED)

    async def _end(self, call: Call) -> Reply:
        return await self._move_call(call, CallState.ENDED)

    async def _move_call(self, call: Call, state: CallState) -> Reply:
        incident_id = call.octets("incident_id", ID_BYTES)
        message = self._incidents.move(incident_id, state, operator=call.caller)
        if message is not None:
            signed = self._means.identity.sign(message)
            await self._means.bus.publish(message.vehicle_id, message.TYP, signed)
        self._news.tell()
        return describe(self._incidents.find(incident_id))

    async def _draft(self, call: Call) -> Reply:
        request = self._read_request(call)
        # Through the app a vehicle that does not exist must look like any other.
        if call.caller != "account":
            self._means.identity.known_vehicle(request.vehicle_id)
        over_incident = call.octets("incident_id", ID_BYTES)
        if call.caller != "account":
            self._incidents.check_open(over_incident, request.vehicle_id)
        draft = self._requests.draft(request, over_incident=over_incident, made_by=call.caller)
        return {"request_id": request.request_id.hex(), "draft": draft.hex()}

    def _read_request(self, call: Call) -> Request:
        service = _service(call.text("service"))
        if (service in ACCOUNT_SERVICES) != (call.caller == "account"):
            raise Denied("service", "linking, adding users and ending go through the app")
        is_position = service is Service.POSITION
        try:
            return Request(
                vehicle_id=call.text("vehicle_id"),
                service=service,
                request_id=self._means.entropy.random_bytes(ID_BYTES),
                seq=0,
                incident_id=call.octets("case_id" if is_position else "incident_id", ID_BYTES),
                parameters=unpack(FORMS[service], _numbered(call.table("parameters"))),
            )
        except WireError as error:
            raise BadCall(str(error)) from error

    async def _ticket(self, call: Call) -> Reply:
        row = self._requests.find(call.octets("request_id", ID_BYTES))
        incident = self._incidents.find(row["over_incident"])
        body = {"draft": row["draft"].hex(), "incident_id": row["over_incident"].hex()}
        if incident["source"] == ON_CALL:
            body["event"] = incident["event"].hex()
        return await self._means.pin.call("ticket-for-call", body)

    async def _send(self, call: Call) -> Reply:
        request_id = call.octets("request_id", ID_BYTES)
        row = self._requests.find(request_id)
        is_position = row["service"] == Service.POSITION
        message = self._requests.sign_next(request_id)
        await self._means.bus.publish(
            row["vehicle_id"],
            Request.TYP,
            message,
            expiry_s=schema.expiry_s(is_position=is_position),
        )
        self._news.tell()
        return {**self._requests.describe(request_id), "message": message.hex()}

    async def _show_request(self, call: Call) -> Reply:
        request_id = call.octets("request_id", ID_BYTES)
        unlike = call.text("unlike") if call.has("unlike") else None
        return await self._news.wait_until(
            lambda: self._requests.describe(request_id),
            lambda seen: seen["state"] != unlike if unlike else seen["phase"] == "ended",
            timeout_s=call.number("timeout_s", default=0),
        )

    async def _grant_again(self, call: Call) -> Reply:
        request_id = call.octets("request_id", ID_BYTES)
        grant = self._requests.last_grant(request_id)
        if grant is None:
            raise Denied("request", "no grant was made for it")
        vehicle_id = self._requests.find(request_id)["vehicle_id"]
        await self._means.bus.publish(vehicle_id, "grant", grant["message"])
        return {}

    async def _show_vehicle(self, call: Call) -> Reply:
        vehicle_id = self._means.identity.known_vehicle(call.text("vehicle_id"))
        gaps = [
            {"stream_id": stream.hex(), "missing": first}
            for stream, first in self._records.gaps(vehicle_id)
        ]
        return {**self._fleet.describe(vehicle_id), "gaps": gaps}

    async def _show_records(self, call: Call) -> Reply:
        vehicle_id = self._means.identity.known_vehicle(call.text("vehicle_id"))
        after = call.integer("after", default=0)

        def look() -> list[Reply]:
            rows = self._records.listing(vehicle_id)
            return [describe_record(row) for row in rows if row["rowid"] > after]

        timeout_s = call.number("timeout_s", default=0)
        return {"records": await self._news.wait_until(look, bool, timeout_s=timeout_s)}

    async def _publish_trust(self, call: Call) -> Reply:
        vehicle_id = self._means.identity.known_vehicle(call.text("vehicle_id"))
        container = (self._means.identity.directory / "trust.cbor").read_bytes()
        await self._means.bus.publish(vehicle_id, "trust", container)
        return {}


def _service(name: str) -> Service:
    try:
        return Service[name.upper().replace("-", "_")]
    except KeyError as error:
        raise BadCall("service: no such service") from error


def _numbered(table: Mapping[str, object]) -> dict[object, object]:
    """Return parameters with their keys on the wire; JSON knows texts alone as keys."""
    try:
        return {int(key): value for key, value in table.items()}
    except ValueError as error:
        raise BadCall("parameters: keys are the numbers of the specification") from error
