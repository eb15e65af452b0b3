"""What PIN authority, theft desk and account service each check for themselves before they sign over a challenge.

None of them takes the command service's word: the request must be signed by a command key of the
trust bundle, the challenge by the vehicle, and the one must quote the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.wire.cbor import decode, encode
from tcu_sim.wire.envelope import Verified, digest, look, read
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.fields import pack, unpack
from tcu_sim.wire.messages import Challenge, Common, Request
from tcu_sim.wire.numbers import Service


class CommonFields(TypedDict):
    """The five common fields as arguments."""

    vehicle_id: str
    service: Service
    request_id: bytes
    nonce: bytes
    boot_id: bytes


def common_of(message: Common) -> CommonFields:
    """Return the common fields of one message, for another."""
    return CommonFields(
        vehicle_id=message.vehicle_id,
        service=message.service,
        request_id=message.request_id,
        nonce=message.nonce,
        boot_id=message.boot_id,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and the vehicle's own challenge to it, both verified."""

    request: Verified[Request]
    challenge: Verified[Challenge]

    def common(self) -> CommonFields:
        """Return the five common fields, for the message that answers the challenge."""
        return common_of(self.challenge.message)


def read_draft(data: bytes) -> Request:
    """Return a request as it is before it has a sequence number and a signature: payload bytes with seq 0.

    Raises:
        Denied: it is none.
    """
    try:
        request = unpack(Request, decode(data))
    except WireError as error:
        raise Denied("request", str(error)) from error
    if request.seq != 0:
        raise Denied("request", "a draft has the sequence number 0")
    return request


def open_asked(identity: Identity, request: bytes, challenge: bytes) -> Asked:
    """Return request and challenge if both are genuine and belong together.

    Raises:
        Denied: says which of them is not.
    """
    try:
        asked = identity.trust.open(request, Request)
    except WireError as error:
        raise Denied("request", str(error)) from error
    try:
        vehicle_id = asked.message.vehicle_id
        answered = identity.vehicles.open(challenge, Challenge, vehicle_id)
    except WireError as error:
        raise Denied("challenge", str(error)) from error
    if not _is_answer(answered.message, asked):
        raise Denied("challenge", "it answers another request")
    return Asked(asked, answered)


def peek_request_id(challenge: bytes) -> bytes:
    """Return the request id that a challenge names; nothing about it is proven.

    Raises:
        WireError: no challenge.
    """
    return read(look(challenge), Challenge).request_id


def subject_of(request: Request) -> bytes:
    """Return the hash of what a request asks for, without its sequence number.

    A request gets its number when it is sent, after the PIN was asked for, and another one when it has to be
    sent again: numbers given earlier would be stale by then if another request overtook it.
    """
    fields = pack(request)
    del fields[5]
    return digest(encode(fields))


def _is_answer(challenge: Challenge, request: Verified[Request]) -> bool:
    asked = request.message
    same: Common = challenge
    return (
        same.service == asked.service
        and same.request_id == asked.request_id
        and challenge.request_hash == request.hash
    )
