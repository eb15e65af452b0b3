"""COSE_Sign1, the strict profile: one way to write it, nothing optional, the key decides the algorithm.

What comes in is an `Envelope`, whose bytes nobody may interpret; `verify` makes a `VerifiedPayload`
of it, and that is what the rules take. What goes out is an `Unsigned`, which somebody else signs:
the vehicle's key may live in a token.

Source: RFC 9052, 4.2 and 4.4; RFC 9053, 2.1 and 2.2; docs/protocol.md, "Envelope".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tcu_agent.errors import BugError, MalformedError
from tcu_agent.protocol import cbor
from tcu_agent.protocol.vocabulary import Reason

ES256: Final = -7
EDDSA: Final = -8
KEY_LENGTHS = {ES256: 33, EDDSA: 32}
"""Bytes of a public key: a compressed SEC 1 point of P-256, an Ed25519 key."""
KID_LENGTH: Final = 8
SIGNATURE_LENGTH: Final = 64
_HALF: Final = SIGNATURE_LENGTH // 2
_TAG_18: Final = b"\xd2"
_ALG, _KID, _TYP = 1, 4, 16  # RFC 9052, 3.1; RFC 9596, 2
_SIGNED_WITH: Final = ECDSA(SHA256())
_SEAL = object()


@lru_cache(maxsize=8)
def external_aad(environment: str) -> bytes:
    """Return what ties a signature to this protocol, its version and its environment."""
    return cbor.encode(["tcu-agent", 1, environment])


def kid_of(public_key: bytes) -> bytes:
    """Return the key id: the first 8 bytes of SHA-256 over the public key as a key record has it."""
    return hashlib.sha256(public_key).digest()[:KID_LENGTH]


@dataclass(frozen=True, kw_only=True)
class VerificationKey:
    """A public key that is known to be one: 33 bytes (compressed P-256) or 32 bytes (Ed25519).

    Raises:
        MalformedError: another algorithm or length, or no point on the curve.
    """

    alg: int
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        if KEY_LENGTHS.get(self.alg) != len(self.public_key):
            raise MalformedError(f"{len(self.public_key)} bytes are no key of algorithm {self.alg}")
        self._loaded  # noqa: B018 -- loading is the check, and the result is kept

    @classmethod
    def of(cls, public_key: bytes) -> VerificationKey:
        """Return the key, its algorithm told by its length.

        Raises:
            MalformedError: see the class.
        """
        alg = EDDSA if len(public_key) == KEY_LENGTHS[EDDSA] else ES256
        return cls(alg=alg, public_key=public_key)

    @cached_property
    def kid(self) -> bytes:
        """The key's id."""
        return kid_of(self.public_key)

    @cached_property
    def _loaded(self) -> EllipticCurvePublicKey | Ed25519PublicKey:
        if self.alg == EDDSA:
            return Ed25519PublicKey.from_public_bytes(self.public_key)
        try:
            return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), self.public_key)
        except ValueError as error:
            raise MalformedError("no compressed point on P-256") from error

    def is_signature(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes: r || s, or Ed25519) over `data` is this key's.

        r or s outside 1..n-1 is none. A high s is one: nothing is keyed on signature bytes, and
        tokens do not normalise it.
        """
        if len(signature) != SIGNATURE_LENGTH:
            return False
        try:
            if isinstance(self._loaded, Ed25519PublicKey):
                self._loaded.verify(signature, data)
            else:
                r, s = signature[:_HALF], signature[_HALF:]
                der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
                self._loaded.verify(der, data, _SIGNED_WITH)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message whose signature nobody has looked at. Its payload is claimed, not said."""

    alg: int
    kid: bytes
    typ: str
    protected: bytes = field(repr=False)
    claimed_payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPayload:
    """Payload bytes that the key `kid` signed as a message of type `typ`. Built by `verify` alone."""

    kid: bytes
    typ: str
    content: bytes = field(repr=False)
    seal: object = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse to exist without a verified signature."""
        if self.seal is not _SEAL:
            raise BugError("a VerifiedPayload is built by cose.verify alone")


def parse(data: bytes) -> Envelope:
    """Return the envelope that `data` is, byte for byte.

    Raises:
        MalformedError: too large, or not exactly what docs/protocol.cddl says.
    """
    if len(data) > cbor.MESSAGE_LIMIT:  # before anything copies it
        detail = f"{len(data)} bytes, at most {cbor.MESSAGE_LIMIT} are allowed"
        raise MalformedError(detail, reason=Reason.TOO_LARGE)
    if data[:1] != _TAG_18:
        raise MalformedError("envelope: not tagged 18 (COSE_Sign1)")
    match cbor.decode(data[1:]):
        case [bytes() as protected, {} as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise MalformedError("envelope: not an array of bytes, map, bytes, bytes")
    if unprotected:
        raise MalformedError("envelope: the unprotected header must be empty")
    if len(signature) != SIGNATURE_LENGTH:
        raise MalformedError(f"envelope: a signature of {len(signature)} bytes, not 64")
    alg, kid, typ = _header(protected)
    return Envelope(
        alg=alg,
        kid=kid,
        typ=typ,
        protected=protected,
        claimed_payload=payload,
        signature=signature,
    )


@lru_cache(maxsize=16)
def _header(protected: bytes) -> tuple[int, bytes, str]:
    """Return alg, kid and typ as these bytes claim them: no word of whom to believe.

    Remembered, for who may sign has few keys, and says each kind of message with the same few bytes.
    """
    match cbor.decode(protected):
        case {1: int() as alg, 4: bytes() as kid, 16: str() as typ, **rest} if not rest:
            return _known_alg(alg), _sized_kid(kid), typ
        case _:
            raise MalformedError("envelope: the protected header is not {1: alg, 4: kid, 16: typ}")


def _known_alg(alg: int) -> int:
    if alg not in KEY_LENGTHS:
        raise MalformedError(f"envelope: algorithm {alg} is not in the profile")
    return alg


def _sized_kid(kid: bytes) -> bytes:
    if len(kid) != KID_LENGTH:
        raise MalformedError(f"envelope: a kid of {len(kid)} bytes, not {KID_LENGTH}")
    return kid


def verify(envelope: Envelope, *, key: VerificationKey, environment: str) -> VerifiedPayload | None:
    """Return the payload if `key` signed it in this environment, by the key's own algorithm."""
    data = _signature_structure(envelope.protected, envelope.claimed_payload, environment)
    if envelope.alg != key.alg or envelope.kid != key.kid:
        return None
    if not key.is_signature(envelope.signature, data):
        return None
    return VerifiedPayload(
        kid=envelope.kid, typ=envelope.typ, content=envelope.claimed_payload, seal=_SEAL
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A message of ours before it is signed: sign `signing_input`, then `assemble`."""

    protected: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)

    def assemble(self, signature: bytes) -> bytes:
        """Return the message with its 64-byte signature.

        Raises:
            BugError: the signer gave something else than 64 bytes.
        """
        if len(signature) != SIGNATURE_LENGTH:
            raise BugError(f"the signer gave {len(signature)} bytes, not {SIGNATURE_LENGTH}")
        return _TAG_18 + cbor.encode([self.protected, {}, self.payload, signature])


def prepare(*, typ: str, payload: bytes, alg: int, kid: bytes, environment: str) -> Unsigned:
    """Return the message to be signed; `kid` and `alg` are the signer's."""
    protected = cbor.encode({_ALG: alg, _KID: kid, _TYP: typ})
    return Unsigned(
        protected=protected,
        payload=payload,
        signing_input=_signature_structure(protected, payload, environment),
    )


def _signature_structure(protected: bytes, payload: bytes, environment: str) -> bytes:
    """Return the bytes that are signed. Source: RFC 9052, 4.4."""
    return cbor.encode(["Signature1", protected, external_aad(environment), payload])
