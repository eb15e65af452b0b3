"""The steps that several messages share: the envelope (E1 to E6) and what ties a message to a challenge (4a to 5).

A step says no by raising `Denial`; `core.verify` catches every one of them, none leaves the room.
The numbers are those of docs/protocol.md, "Order of work in the car".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from tcu_agent.core.verify.challenges import Outstanding
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose
from tcu_agent.protocol.messages import (
    Account,
    Ack,
    Approval,
    Call,
    CaseEnd,
    Common,
    Evidence,
    Grant,
    PositionAck,
    PositionParameters,
    Request,
    UnlockParameters,
)
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason, Role, Service

SIGNERS: Mapping[type, frozenset[Role]] = {
    Request: frozenset({Role.COMMAND}),
    Grant: frozenset({Role.COMMAND}),
    Call: frozenset({Role.COMMAND}),
    Ack: frozenset({Role.COMMAND}),
    Evidence: frozenset({Role.PIN_AUTHORITY}),
    Approval: frozenset({Role.THEFT_DESK}),
    PositionAck: frozenset({Role.THEFT_DESK}),
    CaseEnd: frozenset({Role.THEFT_DESK, Role.COMMAND}),
    Account: frozenset({Role.ACCOUNT}),
}
"""Who may say what. Source: docs/protocol.md, "Messages"."""

PIN_AGE_LIMIT_S: Mapping[Service, int] = {
    Service.APP_LINK: 600,
    Service.UNLOCK: 600,
    Service.POSITION: 259_200,
    Service.ADD_USER: 600,
    Service.END_SUBSCRIPTION: 600,
}
"""How old a PIN check may be, s. Position: 72 h, since nobody can ask the owner when the car wakes."""

Incoming = Request | Grant | Call | Ack | Evidence | Approval | PositionAck | CaseEnd | Account
ID16_LENGTH = 16
_REQUEST_ID_KEY, _ACCOUNT_EVIDENCE_KEY = 2, 10  # docs/protocol.cddl
M = TypeVar("M", Request, Grant, Call, Ack, Evidence, Approval, PositionAck, CaseEnd, Account)


class Denial(Exception):
    """A step said no. `is_authentic`: the signature of the message itself was good."""

    def __init__(self, reason: Reason, detail: str, *, is_authentic: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.is_authentic = is_authentic


def demand(condition: bool, reason: Reason, detail: str) -> None:
    """Go on if the condition holds.

    Raises:
        Denial: it does not.
    """
    if not condition:
        raise Denial(reason, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Generic[M]):
    """A message whose signature, role, content and vehicle are right (E1 to E6)."""

    message: M
    kid: bytes
    payload: bytes
    payload_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What E1 to E6 judge against."""

    vehicle_id: str
    environment: str
    keyring: Keyring | None

    def open(self, data: bytes, message: type[M]) -> Opened[M]:
        """Return the message in `data` after E1 to E6.

        Raises:
            Denial: one of them failed.
        """
        verified = self._verified(data, message)
        try:
            content = codec.decode(message, verified.content)  # E6
        except MalformedError as error:
            raise Denial(error.reason, str(error), is_authentic=True) from error
        if _vehicle_of(content) != self.vehicle_id:  # E6
            detail = f"{codec.topic_type(message)}: for another vehicle"
            raise Denial(Reason.WRONG_VEHICLE, detail, is_authentic=True)
        return Opened(
            message=content,
            kid=verified.kid,
            payload=verified.content,
            payload_hash=codec.payload_hash(verified.content),
        )

    def _verified(self, data: bytes, message: type[M]) -> cose.VerifiedPayload:
        name = codec.topic_type(message)
        if self.keyring is None:  # E1
            raise Denial(Reason.TRUST_MISSING, "no trust bundle yet")
        try:
            envelope = cose.parse(data)  # E2
        except MalformedError as error:
            raise Denial(error.reason, f"{name}: {error}") from error
        typ = codec.typ_of(message)
        demand(envelope.typ == typ, Reason.UNSUPPORTED_TYPE, f"{name}: typ is not {typ}")  # E3
        kid = envelope.kid.hex()
        revoked = self.keyring.is_revoked(envelope.kid)
        demand(not revoked, Reason.KEY_REVOKED, f"{name}: key {kid} is revoked")  # E4
        known = self.keyring.find(envelope.kid)
        if known is None:  # E4
            raise Denial(Reason.UNKNOWN_KEY, f"{name}: key {kid} is not in the trust bundle")
        allowed = known.role in SIGNERS[message]
        detail = f"{name}: key {kid} has the role {known.role.name.lower()}"
        demand(allowed, Reason.WRONG_ROLE, detail)  # E4
        verified = cose.verify(envelope, key=known.key, environment=self.environment)
        if verified is None:  # E5
            raise Denial(Reason.BAD_SIGNATURE, f"{name}: not signed by key {kid}")
        return verified


def _vehicle_of(message: Incoming) -> str:
    if isinstance(message, Evidence | Approval | Grant):
        return message.common.vehicle_id
    return message.vehicle_id


def claimed_request_id(data: bytes) -> bytes | None:
    """Return the request id that a message claims, verified or not, so that an answer can name it.

    An account state has none of its own: there it is that of the evidence inside.
    """
    fields = _claimed_fields(data)
    inside = fields.get(_ACCOUNT_EVIDENCE_KEY)
    if _REQUEST_ID_KEY not in fields and isinstance(inside, bytes):
        fields = _claimed_fields(inside)
    request_id = fields.get(_REQUEST_ID_KEY)
    if isinstance(request_id, bytes) and len(request_id) == ID16_LENGTH:
        return request_id
    return None


def _claimed_fields(data: bytes) -> Mapping[cbor.CborValue, cbor.CborValue]:
    try:
        payload = cbor.decode(cose.parse(data).claimed_payload)
    except MalformedError:
        return {}
    return payload if isinstance(payload, dict) else {}


def check_common(common: Common, entry: Outstanding, name: str) -> None:
    """4a to 4c: the common fields of a message are those of the challenge.

    Raises:
        Denial: the first field that differs. The vehicle id is E6's.
    """
    issued = entry.challenge.common
    for field, reason in (
        ("boot_id", Reason.BOOT_ID_MISMATCH),
        ("service", Reason.SERVICE_MISMATCH),
        ("request_id", Reason.REQUEST_MISMATCH),
        ("nonce", Reason.NONCE_MISMATCH),
    ):
        same = getattr(common, field) == getattr(issued, field)
        demand(same, reason, f"{name}.{field}: not that of the challenge")


def check_account(account: Account | None, keyring: Keyring | None) -> Account:
    """R4, 4e: return the account that remote services may rest on.

    Raises:
        Denial: there is none (of the bundle's epoch), or the subscription has ended.
    """
    if account is None or keyring is None or account.epoch != keyring.trust.epoch:
        raise Denial(Reason.ACCOUNT_MISSING, "no account state of the trust bundle's epoch")
    active = account.subscription_active
    demand(active, Reason.SUBSCRIPTION_ENDED, "the subscription has ended")
    return account


def check_standing(entry: Outstanding, *, account: Account | None, keyring: Keyring | None) -> None:
    """4e: the account allows remote services, and nothing changed hands since the challenge.

    Raises:
        Denial: no account, no subscription, or another epoch, ownership or PIN generation.
    """
    current = check_account(account, keyring)
    issued = entry.challenge
    same = (current.epoch, current.ownership_generation, current.pin_generation) == (
        entry.account_epoch,
        issued.ownership_generation,
        issued.pin_generation,
    )
    demand(same, Reason.GENERATION_MISMATCH, "the account changed after the challenge")


def check_evidence(evidence: Evidence, entry: Outstanding) -> None:
    """4b: the evidence belongs to this challenge.

    Raises:
        Denial: common fields or the hash differ.
    """
    check_common(evidence.common, entry, "evidence")
    _check_hash(evidence.challenge_hash, entry, "evidence")


def check_approval(approval: Approval, entry: Outstanding) -> None:
    """4c: the approval belongs to this challenge, and to the case that the request named.

    Raises:
        Denial: common fields, the hash or the case differ.
    """
    check_common(approval.common, entry, "approval")
    _check_hash(approval.challenge_hash, entry, "approval")
    same = approval.case_id == entry.request.incident_id
    demand(same, Reason.CASE_MISMATCH, "approval.case_id: not the case of the request")


def _check_hash(challenge_hash: bytes, entry: Outstanding, name: str) -> None:
    same = challenge_hash == entry.challenge_hash
    demand(same, Reason.CHALLENGE_MISMATCH, f"{name}.challenge_hash: of another challenge")


def check_pin_age(evidence: Evidence, entry: Outstanding, *, now: float) -> None:
    """4f: the PIN check is young enough, if it was the evidence that followed the challenge at once.

    Raises:
        Denial: it may be too old.
    """
    oldest_s = evidence.pin_age_s + (now - entry.issued_at)
    limit_s = PIN_AGE_LIMIT_S[entry.request.service]
    detail = f"the PIN check may be {oldest_s:.0f} s old, at most {limit_s} s are allowed"
    demand(oldest_s <= limit_s, Reason.PIN_TOO_OLD, detail)


def check_parameters(grant: Grant, entry: Outstanding) -> None:
    """4d: the parameters are those that the PIN was given for.

    Raises:
        Denial: they are not.
    """
    same = grant.parameters == entry.request.parameters
    demand(same, Reason.PARAMETERS_MISMATCH, "grant.parameters: not those of the request")


def check_grant(grant: Grant, entry: Outstanding) -> None:
    """4a: the grant belongs to this challenge, and its service is one that has grants.

    Raises:
        Denial: another challenge, vehicle, service, request or generation; a service without grants.
    """
    check_common(grant.common, entry, "grant")
    granted = isinstance(grant.parameters, UnlockParameters | PositionParameters)
    demand(granted, Reason.SERVICE_MISMATCH, "grant.service: this service has no grants")
