"""The test keys, and a signer that gives the same bytes every time. They protect nothing.

Private keys are made from their names as docs/protocol.md, "A worked example", says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcu_sim.wire import envelope
from tcu_sim.wire.keys import EDDSA, ES256, PublicKey, SigningKey
from tcu_sim.wire.messages import Message
from tcu_sim.wire.numbers import Role

ENVIRONMENT = "bench"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Source: SEC 2, 2.4.2."""


@dataclass(frozen=True)
class Holder:
    """Somebody with a key. `role` None: a root, a vehicle or a stranger."""

    name: str
    alg: int = ES256
    role: Role | None = None

    @property
    def seed(self) -> bytes:
        """The Ed25519 seed; shifted right by one bit, the P-256 scalar."""
        return hashlib.sha256(f"tcu-agent test key: {self.name}".encode()).digest()

    @cached_property
    def private(self) -> ec.EllipticCurvePrivateKey | Ed25519PrivateKey:
        """The private key."""
        if self.alg == EDDSA:
            return Ed25519PrivateKey.from_private_bytes(self.seed)
        return ec.derive_private_key(int.from_bytes(self.seed, "big") >> 1, ec.SECP256R1())

    @cached_property
    def hpke(self) -> X25519PrivateKey:
        """The key that positions are sealed to (theft desks)."""
        seed = hashlib.sha256(f"tcu-agent test hpke key: {self.name}".encode()).digest()
        return X25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def public(self) -> PublicKey:
        """As a key record has it."""
        return SigningKey(self.private).public

    def sign_bytes(self, data: bytes) -> bytes:
        """Return 64 bytes, the same ones for the same data (RFC 6979 for P-256)."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(data)
        der = self.private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
        return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der))

    def sign(self, message: Message, *, environment: str = ENVIRONMENT) -> bytes:
        """Return the message signed."""
        payload = envelope.payload_of(message)
        return self.sign_payload(payload, typ=message.TYP, environment=environment)

    def sign_payload(self, payload: bytes, *, typ: str, environment: str = ENVIRONMENT) -> bytes:
        """Return any payload signed under `typ` (the middle word alone)."""
        to_sign = envelope.signing_input(
            payload, typ=typ, public=self.public, environment=environment
        )
        return envelope.assemble(
            payload, typ=typ, public=self.public, signature=self.sign_bytes(to_sign)
        )

    def described(self) -> dict[str, object]:
        """Return the entry in keys.json."""
        entry: dict[str, object] = {
            "alg": self.alg,
            "kid": self.public.kid.hex(),
            "public": self.public.raw.hex(),
            "private": self._private_bytes().hex(),
        }
        if self.alg == ES256:
            entry["public_uncompressed"] = self._uncompressed().hex()
        if self.role is not None:
            entry["role"] = int(self.role)
        if self.role is Role.THEFT_DESK:
            entry["hpke_public"] = self.hpke.public_key().public_bytes_raw().hex()
            entry["hpke_private"] = self.hpke.private_bytes_raw().hex()
        return entry

    def _private_bytes(self) -> bytes:
        if isinstance(self.private, Ed25519PrivateKey):
            return self.seed
        return self.private.private_numbers().private_value.to_bytes(32, "big")

    def _uncompressed(self) -> bytes:
        public = self.private.public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


ROOT_1, ROOT_2, ROOT_3 = Holder("root 1"), Holder("root 2", EDDSA), Holder("root 3")
ROOTS = (ROOT_1, ROOT_2, ROOT_3)
COMMAND = Holder("command", role=Role.COMMAND)
NEXT_COMMAND = Holder("command next", role=Role.COMMAND)
PIN_AUTHORITY = Holder("pin-authority", EDDSA, Role.PIN_AUTHORITY)
ACCOUNT_SERVICE = Holder("account", role=Role.ACCOUNT)
THEFT_DESK = Holder("theft-desk", role=Role.THEFT_DESK)
ROLE_KEYS = (COMMAND, PIN_AUTHORITY, ACCOUNT_SERVICE, THEFT_DESK)
VEHICLE = Holder("vehicle car-1")
OTHER_VEHICLE = Holder("vehicle car-2")
STRANGER = Holder("stranger")
EVERYBODY = (*ROOTS, *ROLE_KEYS, NEXT_COMMAND, VEHICLE, OTHER_VEHICLE, STRANGER)
