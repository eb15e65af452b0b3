"""What the command service does when a vehicle speaks: a challenge becomes a grant, an event an incident.

Nothing here decides whether the car may act: the evidence is the PIN authority's, the approval the theft desk's.
What comes a second time is no sign of life: whoever holds the broker can play it whenever they like.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from tcu_sim.centre import words
from tcu_sim.centre.api import Bus, Peer
from tcu_sim.centre.command import schema
from tcu_sim.centre.command.fleet import Fleet
from tcu_sim.centre.command.incidents import IncidentBook
from tcu_sim.centre.command.records import RecordBook
from tcu_sim.centre.command.requests import CHALLENGED, SENT, RequestBook
from tcu_sim.centre.errors import CentreError, Denied, ServiceUnreachable
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.news import News
from tcu_sim.centre.proof import common_of, read_draft
from tcu_sim.centre.store import transaction
from tcu_sim.wire.envelope import Verified, look
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.messages import Availability, Call, Challenge, Event, Grant, Refusal, Result
from tcu_sim.wire.numbers import ACCOUNT_SERVICES, Service, Told
from tcu_sim.wire.numbers import Call as CallState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Handles the vehicles' messages."""

    store: sqlite3.Connection
    identity: Identity
    requests: RequestBook
    incidents: IncidentBook
    records: RecordBook
    fleet: Fleet
    bus: Bus
    pin: Peer
    desk: Peer
    news: News

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Take one message; whatever is wrong with it is logged and ends here."""
        try:
            await self._receive(vehicle_id, message_type, payload)
        except (WireError, CentreError) as error:
            log.warning("%s/%s: %s", vehicle_id, message_type, error)
        self.news.tell()

    async def _receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        if message_type == Challenge.TYP:
            challenge = self.identity.vehicles.open(payload, Challenge, vehicle_id)
            await self._on_challenge(challenge, payload)
        elif message_type == Refusal.TYP:
            self._on_refusal(self.identity.vehicles.open(payload, Refusal, vehicle_id).message)
        elif message_type == Result.TYP:
            await self._on_result(self.identity.vehicles.open(payload, Result, vehicle_id))
        elif message_type == Event.TYP:
            event = self.identity.vehicles.open(payload, Event, vehicle_id)
            await self._on_event(event, payload)
        elif message_type == Availability.TYP:
            told = self.identity.vehicles.open(payload, Availability, vehicle_id)
            self.fleet.learn(told.message)
        else:
            raise Denied("message", "of no kind that is expected here")

    async def _on_challenge(self, challenge: Verified[Challenge], message: bytes) -> None:
        said = challenge.message
        row = self.requests.find(said.request_id)
        if row["payload_hash"] != challenge.message.request_hash or row["service"] != said.service:
            raise Denied("challenge", "it answers no request of ours")
        if row["told"] is not None:
            return  # repeated: all is said
        grant = self.requests.grant_for(said)
        if grant is not None:  # repeated: nothing is decided twice, but the grant may be lost
            await self._publish_grant(said, grant)
        elif row["phase"] == SENT:
            with transaction(self.store):
                self.requests.note_challenge(said.request_id, ttl_s=said.ttl_s)
                self.fleet.hear(said.vehicle_id)
            await self._send_trust_if_behind(said)
            await self._answer(said, row["message"], message)
        elif (
            row["phase"] == CHALLENGED
        ):  # repeated, and somebody was unreachable when it came first
            await self._answer(said, row["message"], message)

    async def _answer(self, said: Challenge, request: bytes, challenge: bytes) -> None:
        if said.service in ACCOUNT_SERVICES:
            return  # the account service answers these
        try:
            grant = await self._make_grant(said, request, challenge)
        except Denied as denied:
            self.requests.end(said.request_id, words.REJECTED, detail=str(denied))
            return
        except ServiceUnreachable as error:
            self.requests.remark(said.request_id, str(error))
            return
        await self._publish_grant(said, grant)

    async def _publish_grant(self, said: Challenge, grant: bytes) -> None:
        expiry_s = min(said.ttl_s, schema.MAX_AGE_S)
        await self.bus.publish(said.vehicle_id, Grant.TYP, grant, expiry_s=expiry_s)

    async def _make_grant(self, said: Challenge, request: bytes, challenge: bytes) -> bytes:
        asked = {"request": request.hex(), "challenge": challenge.hex()}
        evidence = bytes.fromhex((await self.pin.call("evidence", asked))["evidence"])
        approval = None
        if said.service is Service.POSITION:
            approval = bytes.fromhex((await self.desk.call("approve", asked))["approval"])
        grant = Grant(
            **common_of(said),
            evidence=evidence,
            approval=approval,
            parameters=read_draft(self.requests.find(said.request_id)["draft"]).parameters,
            max_age_s=min(said.ttl_s, schema.MAX_AGE_S),
        )
        message = self.identity.sign(grant)
        self.requests.note_grant(said.request_id, message, look(message).payload_hash)
        return message

    async def _send_trust_if_behind(self, said: Challenge) -> None:
        trust = self.identity.trust.trust
        if (said.trust_epoch, said.trust_version) < (trust.epoch, trust.version):
            container = (self.identity.directory / "trust.cbor").read_bytes()
            await self.bus.publish(said.vehicle_id, "trust", container)

    def _on_refusal(self, refusal: Refusal) -> None:
        self.fleet.meet(refusal.vehicle_id)  # nothing in it says that it is not played again
        if refusal.request_id is None:
            log.info("%s refused: %s", refusal.vehicle_id, words.word_of(refusal.reason))
            return
        row = self.requests.find(refusal.request_id)
        if row["vehicle_id"] != refusal.vehicle_id:
            raise Denied("refusal", "of another vehicle's request")
        if refusal.reason == words.STALE_REQUEST and row["phase"] != SENT:
            return  # of a repetition: the car has answered this request with a challenge
        if refusal.reason <= words.ANYBODY_CAN_PROVOKE:
            self.requests.remark(refusal.request_id, words.plain_words(refusal.reason))
            return
        state = words.state_of_refusal(refusal.reason)
        self.requests.end(refusal.request_id, state, reason=refusal.reason)

    async def _on_result(self, result: Verified[Result]) -> None:
        said = result.message
        with transaction(self.store):
            if self.records.keep(result):
                self.fleet.hear(said.vehicle_id)
            try:
                self._note_result(said)
            except Denied as denied:  # what the car had to say is kept all the same
                log.warning("%s/result: %s", said.vehicle_id, denied)
        await self._acknowledge(said.vehicle_id, said.stream_id)

    def _note_result(self, said: Result) -> None:
        row = self.requests.find(said.request_id)
        if row["vehicle_id"] != said.vehicle_id or row["service"] != said.service:
            raise Denied("result", "of another request")
        is_ours = self.requests.is_grant_of(said.grant_hash, said.request_id)
        if not is_ours and said.service not in ACCOUNT_SERVICES:
            raise Denied("result", "of a grant that is not ours")
        self.requests.note_result(
            said.request_id,
            words.state_of_result(said.outcome, said.reason),
            reason=said.reason,
            told={
                "outcome": said.outcome.name.lower(),
                "reason": words.word_of(said.reason),
                "locks": words.locks_in_words(said.locks),
                "relock": said.relock.name.lower(),
            },
        )

    async def _on_event(self, event: Verified[Event], message: bytes) -> None:
        """Keep it and do what it asks for in one transaction: else a press could be kept and ring nowhere."""
        said = event.message
        with transaction(self.store):
            if self.records.keep(event):
                self.fleet.hear(said.vehicle_id)
            try:
                call = self._note_event(said, message)
            except Denied as denied:
                log.warning("%s/event: %s", said.vehicle_id, denied)
                call = None
        await self._acknowledge(said.vehicle_id, said.stream_id)
        if call is not None:
            await self.bus.publish(call.vehicle_id, call.TYP, self.identity.sign(call))

    def _note_event(self, said: Event, message: bytes) -> Call | None:
        """Do what an event asks for, as often as it comes; return what the car has to be told about its call."""
        if said.kind == Told.ON_CALL_PRESSED:
            return self._note_press(said, message)
        if said.kind == Told.HANG_UP:
            return self.incidents.over_in_car(said, CallState.ENDED)
        if said.kind == Told.CALL_STATE:
            over = words.CALLS_OVER.get(str(said.values.get(words.CALL_STATE)))
            if over is not None:  # the car knows
                self.incidents.over_in_car(said, over)
        elif said.kind == Told.STATE_REPORT and said.request_id is not None:
            self.requests.note_result(
                said.request_id, words.COMPLETED, reason=0, told={"values": dict(said.values)}
            )
        return None

    def _note_press(self, said: Event, message: bytes) -> Call | None:
        """Open the incident of a press. One that the car tells again (number 0) has not been answered yet."""
        if said.incident_id is None:
            return None
        is_new = self.incidents.open_on_call(said, message)
        return self.incidents.call_message(said.incident_id) if is_new or not said.seq else None

    async def _acknowledge(self, vehicle_id: str, stream_id: bytes) -> None:
        ack = self.records.ack(vehicle_id, stream_id)
        if ack is not None:
            await self.bus.publish(vehicle_id, ack.TYP, self.identity.sign(ack))
