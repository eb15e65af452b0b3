"""COSE_Sign1 around a message: sign it, look at it, check it.

`external_aad` names protocol version and environment, so that a message of the bench never verifies
in production. Source: RFC 9052, 4.4; docs/protocol.cddl, "envelope".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Generic, TypeVar

import cbor2

from tcu_sim.wire import cbor, fields
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import SIGNATURE_BYTES, PublicKey, SigningKey
from tcu_sim.wire.messages import Message

SIGN1_TAG = 18
T = TypeVar("T", bound=Message)


def external_aad(environment: str) -> bytes:
    """Return what every signature covers beside the message."""
    return cbor.encode(["tcu-agent", 1, environment])


def payload_of(message: Message) -> bytes:
    """Return the payload bytes of a message, before signing."""
    return cbor.encode(fields.pack(message))


def digest(payload: bytes) -> bytes:
    """Return the hash by which one message quotes another: SHA-256 over its payload bytes."""
    return hashlib.sha256(payload).digest()


def sign(message: Message, key: SigningKey, environment: str) -> bytes:
    """Return the signed message.

    Raises:
        WireError: a field of the message is outside its type.
    """
    return sign_payload(payload_of(message), typ=message.TYP, key=key, environment=environment)


def sign_payload(payload: bytes, *, typ: str, key: SigningKey, environment: str) -> bytes:
    """Return these payload bytes signed under `typ` (the middle word alone), whatever they hold."""
    to_sign = signing_input(payload, typ=typ, public=key.public, environment=environment)
    return assemble(payload, typ=typ, public=key.public, signature=key.sign(to_sign))


def signing_input(payload: bytes, *, typ: str, public: PublicKey, environment: str) -> bytes:
    """Return the bytes that the holder of a key has to sign, wherever that key is."""
    return _to_be_signed(_header_of(typ, public), payload, environment)


def assemble(payload: bytes, *, typ: str, public: PublicKey, signature: bytes) -> bytes:
    """Return the message made of a payload and a signature over its `signing_input`."""
    return cbor.encode(cbor2.CBORTag(SIGN1_TAG, [_header_of(typ, public), {}, payload, signature]))


def _header_of(typ: str, public: PublicKey) -> bytes:
    return cbor.encode({1: public.alg, 4: public.kid, 16: f"tcu-{typ}+cose"})


@dataclass(frozen=True, slots=True)
class Envelope:
    """A well-formed COSE_Sign1 whose signature nobody has looked at yet."""

    alg: int
    kid: bytes
    typ: str
    header: bytes
    payload: bytes
    signature: bytes

    @property
    def payload_hash(self) -> bytes:
        """SHA-256 of the payload bytes."""
        return digest(self.payload)

    def verify(self, key: PublicKey, environment: str) -> None:
        """Return if this key made the signature.

        Raises:
            WireError: ``unknown-key`` for another algorithm or kid, ``bad-signature`` otherwise.
        """
        if (self.alg, self.kid) != (key.alg, key.kid):
            raise WireError("signed with another key", word="unknown-key")
        key.verify(self.signature, _to_be_signed(self.header, self.payload, environment))


@dataclass(frozen=True, slots=True)
class Verified(Generic[T]):
    """A message whose signature held, and the hash by which others quote it."""

    message: T
    payload: bytes

    @property
    def hash(self) -> bytes:
        """SHA-256 of the payload bytes."""
        return digest(self.payload)


def look(data: bytes) -> Envelope:
    """Return what a signed message holds; nothing in it is proven yet.

    Raises:
        WireError: not exactly the envelope of the specification.
    """
    parts = cbor.decode(data)
    if data[:1] != b"\xd2" or not isinstance(parts, list | tuple) or len(parts) != 4:
        raise WireError("no COSE_Sign1")
    header, unprotected, payload, signature = parts
    if not (type(header) is bytes and type(payload) is bytes and type(signature) is bytes):
        raise WireError("header, payload and signature are byte strings")
    if unprotected != {} or len(signature) != SIGNATURE_BYTES:
        raise WireError("an unprotected header, or a signature that has not 64 bytes")
    alg, kid, typ = _header(header)
    return Envelope(alg, kid, typ, header, payload, signature)


def read(envelope: Envelope, cls: type[T]) -> T:
    """Return the message in an envelope, whoever signed it.

    Raises:
        WireError: another type (``wrong-type``), or not what the CDDL says.
    """
    if envelope.typ != f"tcu-{cls.TYP}+cose":
        raise WireError(f"{envelope.typ!a} is no {cls.TYP}", word="wrong-type")
    return fields.unpack(cls, cbor.decode(envelope.payload))


def open_signed(data: bytes, cls: type[T], key: PublicKey, environment: str) -> Verified[T]:
    """Return the message in `data` if this key signed it.

    Raises:
        WireError: malformed, of another type, or the signature does not hold.
    """
    envelope = look(data)
    message = read(envelope, cls)
    envelope.verify(key, environment)
    return Verified(message, envelope.payload)


def _header(data: bytes) -> tuple[int, bytes, str]:
    header = cbor.decode(data)
    if not isinstance(header, dict) or set(header) != {1, 4, 16}:
        raise WireError("the protected header holds alg, kid and typ, and nothing else")
    alg, kid, typ = header[1], header[4], header[16]
    if type(alg) is not int or type(kid) is not bytes or len(kid) != 8 or type(typ) is not str:
        raise WireError("the protected header has another form")
    return alg, kid, typ


def _to_be_signed(header: bytes, payload: bytes, environment: str) -> bytes:
    return cbor.encode(["Signature1", header, external_aad(environment), payload])
