"""Every message that the car takes, on its way to a car that would take it; for tests that spoil one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tcu_agent.core.verify.verifier import AlreadyAnswered, OpenCall, Refused
from tcu_agent.protocol import cbor, codec, cose
from tcu_agent.protocol.messages import (
    Message,
)
from tcu_agent.protocol.vocabulary import CallState, Service
from tests.protocol.accounts import next_state
from tests.protocol.car import Answer, Car
from tests.protocol.signing import (
    ACCOUNT_SERVICE,
    ARMED,
    BOOT_ID,
    COMMAND,
    DIRECT,
    ENVIRONMENT,
    PIN_AUTHORITY,
    ROOTS,
    STREAM_ID,
    THEFT_DESK,
    TRACKING,
    Centre,
    Party,
    id16,
    keyring,
    sign,
    trust_bundle,
    verifier,
)

CASE = id16("incident or case")
AGE_S = 5
"""How old the challenge is when its grant arrives."""
MARK = 5
"""The highest request seq that the car has taken."""
MORE_USERS = ("user-1", "user-2")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A good message, who signs it, and a car that judges what arrives in its place.

    `wrap`: what carries the signed messages (one, but for a trust bundle). `is_inside`: it travels in another message,
    whose signature is good.
    """

    message: Message
    parties: tuple[Party, ...]
    judge: Callable[[bytes], object]
    wrap: Callable[[list[bytes]], bytes] = lambda messages: messages[0]
    is_inside: bool = False

    @property
    def payload(self) -> bytes:
        """The good payload."""
        return codec.encode(self.message)

    def fields(self) -> dict[Any, Any]:
        """Return the good payload's map."""
        fields = cbor.decode(self.payload)
        assert isinstance(fields, dict)
        return fields

    def data(self, payload: bytes | None = None, **spoilt: Any) -> bytes:
        """Return what is on its way: this payload (or the good one), signed by whom it should be; see `signed`."""
        parties = spoilt.pop("parties", self.parties)
        content = self.payload if payload is None else payload
        typ = spoilt.pop("typ", codec.typ_of(type(self.message)))
        return self.wrap([signed(content, party, typ=typ, **spoilt) for party in parties])

    def is_taken(self, verdict: object) -> bool:
        """Whether the car went by it."""
        return not isinstance(verdict, Refused | AlreadyAnswered)


def signed(
    payload: bytes,
    party: Party,
    *,
    typ: str,
    environment: str = ENVIRONMENT,
    header: Mapping[Any, Any] | None = None,
    unprotected: Mapping[Any, Any] | None = None,
    instead: bytes | None = None,
) -> bytes:
    """Return a COSE_Sign1. `header`: what the protected header says besides or otherwise (None as a value drops).

    `unprotected`: what stands in the unprotected header. `instead`: put this payload in after signing.
    """
    said = {1: party.alg, 4: party.kid, 16: typ, **(header or {})}
    protected = cbor.encode({key: said[key] for key in sorted(said) if said[key] is not None})
    aad = cose.external_aad(environment)
    signature = party.sign(cbor.encode(["Signature1", protected, aad, payload]))
    parts: list[Any] = [
        protected,
        dict(unprotected or {}),
        payload if instead is None else instead,
        signature,
    ]
    return b"\xd2" + cbor.encode(parts)


# ------------------------------------------------------------------------------ the deliveries


def request(service: Service = Service.UNLOCK, **changes: Any) -> Delivery:
    """Return a request to a car that has taken others before."""
    car = Car(marks={COMMAND.kid: MARK}, centre=Centre(seq=MARK))
    message = car.centre.request(service, **changes)
    return Delivery(message=message, parties=(COMMAND,), judge=car.judge_request)


def _answered(service: Service, **changes: Any) -> tuple[Car, Answer]:
    car = Car()
    answer = Answer(car.challenged(service, **changes), car.centre)
    car.now += AGE_S
    return car, answer


def grant(service: Service = Service.UNLOCK, **changes: Any) -> Delivery:
    """Return the grant that answers a challenge."""
    car, answer = _answered(service, **changes)
    return Delivery(message=answer.grant(), parties=(COMMAND,), judge=car.judge_grant)


def evidence(service: Service = Service.UNLOCK) -> Delivery:
    """Return the evidence inside a grant."""
    car, answer = _answered(service)
    return Delivery(
        message=answer.evidence(),
        parties=(PIN_AUTHORITY,),
        judge=lambda data: car.judge_grant(answer.signed(evidence=data)),
        is_inside=True,
    )


def approval() -> Delivery:
    """Return the approval inside a grant for a position."""
    car, answer = _answered(Service.POSITION)
    return Delivery(
        message=answer.approval(),
        parties=(THEFT_DESK,),
        judge=lambda data: car.judge_grant(answer.signed(approval=data)),
        is_inside=True,
    )


def evidence_of_a_user() -> Delivery:
    """Return the evidence inside an account state with one user more."""
    car, answer = _answered(Service.ADD_USER)
    return Delivery(
        message=answer.evidence(),
        parties=(PIN_AUTHORITY,),
        judge=lambda data: car.judge_account(sign(next_state(users=MORE_USERS, evidence=data))),
        is_inside=True,
    )


def account() -> Delivery:
    """Return an account state with a new PIN."""
    message = next_state(pin_generation=4)
    return Delivery(message=message, parties=(ACCOUNT_SERVICE,), judge=Car().judge_account)


def account_with_evidence() -> Delivery:
    """Return an account state with one user more."""
    car, answer = _answered(Service.ADD_USER)
    message = next_state(users=MORE_USERS, evidence=sign(answer.evidence()))
    return Delivery(message=message, parties=(ACCOUNT_SERVICE,), judge=car.judge_account)


def call() -> Delivery:
    """Return call control for the open call."""
    is_open = OpenCall(incident_id=CASE, boot_id=BOOT_ID, last_seq=3)
    return Delivery(
        message=Centre().call(CallState.CONNECTED, 4),
        parties=(COMMAND,),
        judge=lambda data: verifier().verify_call(data, keyring=keyring(), call=is_open),
    )


def ack() -> Delivery:
    """Return an acknowledgement of all that was ever sent."""
    return Delivery(
        message=Centre().ack(9),
        parties=(COMMAND,),
        judge=lambda data: verifier().verify_ack(
            data, keyring=keyring(), stream_id=STREAM_ID, last_seq=9
        ),
    )


def position_ack() -> Delivery:
    """Return the theft desk's acknowledgement of all that was ever sent."""
    return Delivery(
        message=Centre().position_ack(5),
        parties=(THEFT_DESK,),
        judge=lambda data: verifier().verify_position_ack(
            data, keyring=keyring(), stream_id=STREAM_ID, last_seqs={CASE: 5}
        ),
    )


def case_end(party: Party = THEFT_DESK) -> Delivery:
    """Return the end of the open case."""
    return Delivery(
        message=Centre().case_end(),
        parties=(party,),
        judge=lambda data: verifier().verify_case_end(data, keyring=keyring(), cases={CASE}),
    )


def trust() -> Delivery:
    """Return the next trust bundle, signed by two roots of three."""
    in_force = keyring(version=3, epoch=2)
    return Delivery(
        message=trust_bundle(version=4, epoch=2, revoked=(bytes(8),)),
        parties=ROOTS[:2],
        judge=lambda data: verifier().verify_trust(data, keyring=in_force),
        wrap=lambda messages: cbor.encode(list(messages)),
    )


DELIVERIES: Mapping[str, Callable[[], Delivery]] = {
    "request": request,
    "request, armed": lambda: request(parameters=ARMED),
    "request, tracking": lambda: request(Service.POSITION, parameters=TRACKING),
    "request, user": lambda: request(Service.ADD_USER),
    "grant": lambda: grant(parameters=DIRECT),
    "grant, armed": lambda: grant(parameters=ARMED),
    "grant, position": lambda: grant(Service.POSITION),
    "grant, tracking": lambda: grant(Service.POSITION, parameters=TRACKING),
    "evidence": evidence,
    "evidence, position": lambda: evidence(Service.POSITION),
    "evidence, user": evidence_of_a_user,
    "approval": approval,
    "account": account,
    "account, user": account_with_evidence,
    "call": call,
    "ack": ack,
    "position-ack": position_ack,
    "case-end": case_end,
    "case-end, command": lambda: case_end(COMMAND),
    "trust": trust,
}
"""Every message that the car takes, in every form that has fields of its own."""
