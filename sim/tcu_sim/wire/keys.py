"""Signing and verification keys: P-256 with SHA-256 (alg -7) and Ed25519 (alg -8).

Source: RFC 9053, 2.1 and 2.2; docs/protocol.cddl, `alg`, `kid` and `key-record`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from tcu_sim.wire.errors import WireError

ES256 = -7
EDDSA = -8
PUBLIC_KEY_BYTES = {ES256: 33, EDDSA: 32}
SIGNATURE_BYTES = 64
_HASH = ec.ECDSA(hashes.SHA256())
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key. `raw`: compressed P-256 point (33 bytes) or Ed25519 key (32 bytes)."""

    alg: int
    raw: bytes

    def __post_init__(self) -> None:
        """Refuse what is no point on the curve.

        Raises:
            WireError: wrong algorithm, length or point.
        """
        if len(self.raw) != PUBLIC_KEY_BYTES.get(self.alg):
            raise WireError("a key of unknown algorithm or wrong length")
        try:
            self._load()
        except ValueError as error:
            raise WireError("no point on the curve") from error

    @property
    def kid(self) -> bytes:
        """First 8 bytes of SHA-256 over `raw`."""
        return hashlib.sha256(self.raw).digest()[:8]

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if the signature holds.

        Raises:
            WireError: it does not (word ``bad-signature``).
        """
        key = self._load()
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
            else:
                r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
                key.verify(encode_dss_signature(r, s), data, _HASH)
        except InvalidSignature as error:
            raise WireError("the signature does not hold", word="bad-signature") from error

    def _load(self) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
        if self.alg == EDDSA:
            return ed25519.Ed25519PublicKey.from_public_bytes(self.raw)
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.raw)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; neither `repr` nor an error shows it."""

    private: PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The verification key that belongs to it."""
        key = self.private.public_key()
        if isinstance(key, ed25519.Ed25519PublicKey):
            return PublicKey(EDDSA, key.public_bytes_raw())
        encoding, form = serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        return PublicKey(ES256, key.public_bytes(encoding, form))

    def sign(self, data: bytes) -> bytes:
        """Return 64 bytes: r || s, each big-endian in 32, or the Ed25519 signature."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, _HASH))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def generate(alg: int = ES256) -> SigningKey:
    """Return a new key from the operating system's randomness."""
    if alg == EDDSA:
        return SigningKey(ed25519.Ed25519PrivateKey.generate())
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))
