"""Signed messages for tests: fixed test keys, and a centre that says whatever a test wants it to say.

The keys are made from their names, and the signatures are deterministic, so that the same message
has the same bytes in every run (docs/protocol.md shows some). Nothing real ever uses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcu_agent.core.verify.verifier import Verifier
from tcu_agent.protocol import cbor, codec, cose, trust
from tcu_agent.protocol.cose import EDDSA, ES256, VerificationKey, kid_of
from tcu_agent.protocol.messages import (
    Account,
    Ack,
    Approval,
    Call,
    CaseEnd,
    Challenge,
    Evidence,
    Grant,
    KeyRecord,
    Message,
    NoParameters,
    Parameters,
    PositionAck,
    PositionParameters,
    Request,
    Trust,
    UnlockParameters,
    UserParameters,
)
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import CallState, PositionKind, Role, Service, UnlockMode

ENVIRONMENT = "bench"
VEHICLE_ID = "car-1"
BOOT_ID = bytes.fromhex("b0075e550000b001")
STREAM_ID = bytes.fromhex("57aea30000000001")


@dataclass(frozen=True)
class Party:
    """Somebody with a key; the agent's `Signer` port."""

    name: str
    alg: int = ES256
    role: Role | None = None

    @cached_property
    def _private(self) -> ec.EllipticCurvePrivateKey | Ed25519PrivateKey:
        seed = hashlib.sha256(f"tcu-agent test key: {self.name}".encode()).digest()
        if self.alg == EDDSA:
            return Ed25519PrivateKey.from_private_bytes(seed)
        return ec.derive_private_key(int.from_bytes(seed, "big") >> 1, ec.SECP256R1())

    @cached_property
    def public_key(self) -> bytes:
        """As a key record has it."""
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        public = self._private.public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    @cached_property
    def hpke(self) -> X25519PrivateKey:
        """The key pair that positions are sealed to (theft desk)."""
        seed = hashlib.sha256(f"tcu-agent test hpke key: {self.name}".encode()).digest()
        return X25519PrivateKey.from_private_bytes(seed)

    @property
    def kid(self) -> bytes:
        """The key's id."""
        return kid_of(self.public_key)

    @property
    def verification_key(self) -> VerificationKey:
        """The public key, ready to verify with."""
        return VerificationKey(alg=self.alg, public_key=self.public_key)

    def sign(self, data: bytes) -> bytes:
        """Return 64 bytes, the same ones for the same data."""
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        der = self._private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def key_record(self) -> KeyRecord:
        """Return the entry in the trust bundle."""
        assert self.role is not None
        desk = self.role is Role.THEFT_DESK
        return KeyRecord(
            kid=self.kid,
            role=self.role,
            alg=self.alg,
            public_key=self.public_key,
            hpke_public_key=self.hpke.public_key().public_bytes_raw() if desk else None,
        )


ROOTS = (Party("root 1"), Party("root 2", EDDSA), Party("root 3"))
COMMAND = Party("command", role=Role.COMMAND)
PIN_AUTHORITY = Party("pin-authority", EDDSA, Role.PIN_AUTHORITY)
ACCOUNT_SERVICE = Party("account", role=Role.ACCOUNT)
THEFT_DESK = Party("theft-desk", role=Role.THEFT_DESK)
ROLE_KEYS = (COMMAND, PIN_AUTHORITY, ACCOUNT_SERVICE, THEFT_DESK)
VEHICLE = Party("vehicle car-1")
SIGNER_OF: dict[type, Party] = {
    Request: COMMAND,
    Grant: COMMAND,
    Call: COMMAND,
    Ack: COMMAND,
    Evidence: PIN_AUTHORITY,
    Approval: THEFT_DESK,
    PositionAck: THEFT_DESK,
    CaseEnd: THEFT_DESK,
    Account: ACCOUNT_SERVICE,
}
"""Who signs what; everything else the vehicle."""


def sign(message: Message, party: Party | None = None, *, environment: str = ENVIRONMENT) -> bytes:
    """Return the message, signed by whom it should be or by `party`."""
    signer = party or SIGNER_OF.get(type(message), VEHICLE)
    return sign_payload(
        codec.encode(message),
        typ=codec.typ_of(type(message)),
        party=signer,
        environment=environment,
    )


def sign_payload(
    payload: bytes,
    *,
    typ: str,
    party: Party,
    environment: str = ENVIRONMENT,
    alg: int | None = None,
) -> bytes:
    """Return any bytes as a signed message; `alg`: what the header claims, if not the truth."""
    unsigned = cose.prepare(
        typ=typ,
        payload=payload,
        alg=party.alg if alg is None else alg,
        kid=party.kid,
        environment=environment,
    )
    return unsigned.assemble(party.sign(unsigned.signing_input))


def trust_bundle(**changes: Any) -> Trust:
    """Return a bundle with the four role keys."""
    values: dict[str, Any] = {
        "version": 1,
        "epoch": 1,
        "keys": tuple(party.key_record() for party in ROLE_KEYS),
        "revoked": (),
        "issued_s": 1_790_000_000,
    }
    return Trust(**{**values, **changes})


def trust_container(
    bundle: Trust | None = None, *, signers: Sequence[Party] = ROOTS[:2], **changes: Any
) -> bytes:
    """Return the bundle as the topic `trust` carries it."""
    content = bundle or trust_bundle(**changes)
    return cbor.encode([sign(content, party) for party in signers])


def keyring(**changes: Any) -> Keyring:
    """Return the keyring of `trust_bundle`."""
    return Keyring(trust_bundle(**changes))


def account_state(**changes: Any) -> Account:
    """Return an account state: one user, an active subscription."""
    values: dict[str, Any] = {
        "vehicle_id": VEHICLE_ID,
        "version": 7,
        "epoch": 1,
        "ownership_generation": 2,
        "pin_generation": 3,
        "users": ("user-1",),
        "subscription_active": True,
    }
    return Account(**{**values, **changes})


def verifier(**changes: Any) -> Verifier:
    """Return the verifier of car-1 with the three test roots."""
    values: dict[str, Any] = {
        "vehicle_id": VEHICLE_ID,
        "environment": ENVIRONMENT,
        "boot_id": BOOT_ID,
        "roots": trust.root_keys(party.public_key for party in ROOTS),
    }
    return Verifier(**{**values, **changes})


def id16(name: str) -> bytes:
    """Return 16 bytes that stand for a name."""
    return hashlib.sha256(name.encode()).digest()[:16]


DIRECT = UnlockParameters(UnlockMode.DIRECT)
ARMED = UnlockParameters(UnlockMode.ARMED, 300)
SNAPSHOT = PositionParameters(PositionKind.SNAPSHOT)
TRACKING = PositionParameters(PositionKind.TRACKING, 60, 3600)
USUAL_PARAMETERS: dict[Service, Parameters] = {
    Service.STATE: NoParameters(),
    Service.APP_LINK: UserParameters("user-2"),
    Service.UNLOCK: DIRECT,
    Service.POSITION: SNAPSHOT,
    Service.ADD_USER: UserParameters("user-2"),
    Service.END_SUBSCRIPTION: NoParameters(),
}


@dataclass
class Centre:
    """All of the centre's keys in one hand, and a counter for request seqs. Returns values: `sign` them."""

    vehicle_id: str = VEHICLE_ID
    seq: int = field(default=0)

    def request(self, service: Service, **changes: Any) -> Request:
        """Return a new request for a service, with its usual parameters."""
        self.seq += 1
        values: dict[str, Any] = {
            "vehicle_id": self.vehicle_id,
            "service": service,
            "request_id": id16(f"request {self.seq}"),
            "seq": self.seq,
            "incident_id": id16("incident or case"),
            "parameters": USUAL_PARAMETERS[service],
        }
        return Request(**{**values, **changes})

    def evidence(self, challenge: Challenge, **changes: Any) -> Evidence:
        """Return the PIN authority's evidence for a challenge."""
        values: dict[str, Any] = {
            "common": challenge.common,
            "challenge_hash": codec.payload_hash(codec.encode(challenge)),
            "pin_session_id": id16("PIN session"),
            "pin_age_s": 12,
        }
        return Evidence(**{**values, **changes})

    def approval(self, challenge: Challenge, **changes: Any) -> Approval:
        """Return the theft desk's approval for a challenge."""
        values: dict[str, Any] = {
            "common": challenge.common,
            "challenge_hash": codec.payload_hash(codec.encode(challenge)),
            "case_id": id16("incident or case"),
        }
        return Approval(**{**values, **changes})

    def grant(self, challenge: Challenge, parameters: Parameters, **changes: Any) -> Grant:
        """Return the grant for a challenge, with evidence and, for a position, the approval inside."""
        position = challenge.common.service is Service.POSITION
        values: dict[str, Any] = {
            "common": challenge.common,
            "evidence": sign(self.evidence(challenge)),
            "parameters": parameters,
            "max_age_s": 120,
            "approval": sign(self.approval(challenge)) if position else None,
        }
        return Grant(**{**values, **changes})

    def call(self, state: CallState, seq: int, **changes: Any) -> Call:
        """Return call control for the usual incident."""
        values: dict[str, Any] = {
            "vehicle_id": self.vehicle_id,
            "boot_id": BOOT_ID,
            "incident_id": id16("incident or case"),
            "seq": seq,
            "state": state,
        }
        return Call(**{**values, **changes})

    def ack(self, seq: int, stream_id: bytes = STREAM_ID) -> Ack:
        """Return an acknowledgement of results and events."""
        return Ack(vehicle_id=self.vehicle_id, seq=seq, stream_id=stream_id)

    def position_ack(
        self, seq: int, case_id: bytes = id16("incident or case"), stream_id: bytes = STREAM_ID
    ) -> PositionAck:
        """Return the theft desk's acknowledgement."""
        return PositionAck(
            vehicle_id=self.vehicle_id, case_id=case_id, seq=seq, stream_id=stream_id
        )

    def case_end(self, case_id: bytes = id16("incident or case")) -> CaseEnd:
        """Return the end of the usual case."""
        return CaseEnd(vehicle_id=self.vehicle_id, case_id=case_id)
