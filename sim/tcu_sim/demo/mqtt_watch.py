"""The observer's eyes on the broker: topic and bytes in, a sighting out.

Messages are read with the bench's own decoder and checked with public keys: the car's, and the centre's from the trust
bundle. What is told about a message is a choice of safe fields: never a PIN, never a position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from tcu_sim.demo.place_search import is_in_clear
from tcu_sim.pki.public import VehicleRegister
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import look, read
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.numbers import Lock, Told
from tcu_sim.wire.trust import TrustedKeys

TOPIC = re.compile(r"tcu/v1/(?P<vehicle>[^/]+)/(?P<way>up|down)/(?P<type>[^/]+)")
LOCK_NAMES = ("front left", "front right", "rear left", "rear right", "tailgate")
Summary = dict[str, Any]


class MqttWatch:
    """Reads what passes the broker. `reason_word` turns a reason number into its code."""

    def __init__(
        self, *, register: VehicleRegister, trusted: TrustedKeys, reason_word: Callable[[int], str]
    ) -> None:
        self._register = register
        self._trusted = trusted
        self._reason_word = reason_word

    def take(
        self, topic: str, payload: bytes, *, retained: bool, positions: Iterable[tuple[int, int]]
    ) -> Summary:
        """Return what one publication shows. `positions`: those seen on CAN, looked for in the bytes."""
        sighting: Summary = {"what": "unknown-topic", "topic": topic, "bytes": len(payload)}
        if retained:
            sighting["retained"] = True
        if is_in_clear(payload, positions):
            sighting["position_in_clear"] = True
        if match := TOPIC.fullmatch(topic):
            sighting |= {"what": match["type"], "way": match["way"], "vehicle": match["vehicle"]}
            del sighting["topic"]
            if match["type"] != "trust":
                sighting |= self._read(match["type"], match["vehicle"], payload)
        return sighting

    def _read(self, word: str, vehicle_id: str, payload: bytes) -> Summary:
        cls = CLASSES.get(word)
        if cls is None:
            return {"signature": "no message of the protocol"}
        try:
            envelope = look(payload)
            message = read(envelope, cls)
        except WireError as error:
            return {"signature": error.word}
        summary = {"hash": envelope.payload_hash.hex()[:16], **_summary(message, self._reason_word)}
        return summary | {"signature": self._judge(payload, type(message), vehicle_id)}

    def _judge(self, payload: bytes, cls: type[m.Message], vehicle_id: str) -> str:
        try:
            if cls in FROM_VEHICLE:
                self._register.open(payload, cls, vehicle_id)
            else:
                self._trusted.open(payload, cls)
        except WireError as error:
            return error.word
        return "good"


FROM_VEHICLE = (m.Challenge, m.Refusal, m.Result, m.Event, m.Position, m.Availability)
CLASSES: dict[str, type[m.Message]] = {
    cls.TYP: cls
    for cls in (
        *FROM_VEHICLE,
        m.Request,
        m.Grant,
        m.Call,
        m.Ack,
        m.PositionAck,
        m.CaseEnd,
        m.Account,
    )
}


def _summary(message: m.Message, reason_word: Callable[[int], str]) -> Summary:
    match message:
        case m.Result():
            return _common(message) | {
                "outcome": message.outcome.name.lower(),
                "reason": reason_word(message.reason),
                "grant": message.grant_hash.hex()[:16],
                "locks": _locks(message),
                "relock": message.relock.name.lower(),
                "seq": message.seq,
            }
        case m.Refusal():
            request = None if message.request_id is None else message.request_id.hex()
            return {"reason": reason_word(message.reason), "request": request}
        case m.Event():
            return _event(message) | {"reason": reason_word(message.reason)}
        case m.Position():
            return {
                "case": message.case_id.hex(),
                "seq": message.seq,
                "sealed_bytes": len(message.sealed or b""),
            }
        case _:
            return _other_summary(message)


def _other_summary(message: m.Message) -> Summary:
    match message:
        case m.Challenge():
            generations = [message.ownership_generation, message.pin_generation]
            return _common(message) | {"ttl_s": message.ttl_s, "generations": generations}
        case m.Grant():
            return _common(message)
        case m.Request():
            return {"service": _word(message.service.name), "request": message.request_id.hex()}
        case m.Call():
            return {"state": message.state.name.lower(), "incident": message.incident_id.hex()}
        case m.Availability():
            return {"presence": message.presence.name.lower()}
        case m.Account():
            return {
                "version": message.version,
                "generations": [message.ownership_generation, message.pin_generation],
                "users": len(message.users),
                "subscription_active": message.subscription_active,
            }
        case _:
            return {}


def _common(message: m.Common) -> Summary:
    return {"service": _word(message.service.name), "request": message.request_id.hex()}


def _event(event: m.Event) -> Summary:
    known = event.kind in set(Told)
    summary: Summary = {"event": _word(Told(event.kind).name) if known else str(event.kind)}
    if event.incident_id is not None:
        summary["incident"] = event.incident_id.hex()
    if event.request_id is not None:
        summary["request"] = event.request_id.hex()
    return summary | {"values": dict(event.values), "seq": event.seq}


def _locks(result: m.Result) -> dict[str, str]:
    return {LOCK_NAMES[number]: Lock(state).name.lower() for number, state in result.locks.items()}


def _word(name: str) -> str:
    return name.lower().replace("_", "-")
