"""The vehicle's signing key from a file. Keys in a token come behind the same port."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tcu_agent.errors import KeyStoreError
from tcu_agent.protocol.cose import EDDSA, ES256, kid_of

_COORDINATE_BYTES = 32


class PrivateSigner(Protocol):
    """What both kinds of key do; the `Signer` port plus the public half for enrolment."""

    @property
    def kid(self) -> bytes:
        """First 8 bytes of SHA-256 of the public key as the protocol encodes it."""

    @property
    def alg(self) -> int:
        """COSE algorithm: -7 or -8."""

    @property
    def public_key(self) -> bytes:
        """33 bytes compressed P-256 point, or 32 bytes Ed25519."""

    def sign(self, data: bytes) -> bytes:
        """Return 64 bytes."""


class P256Signer:
    """ES256: ECDSA on P-256 with SHA-256, as r || s (RFC 9053, 2.1)."""

    alg: int = ES256

    def __init__(self, private_key: EllipticCurvePrivateKey) -> None:
        """Raises KeyStoreError where the key lies on another curve."""
        if not isinstance(private_key.curve, SECP256R1):
            raise KeyStoreError(f"the curve is {private_key.curve.name}; ES256 needs P-256")
        self._private_key = private_key
        self.public_key = private_key.public_key().public_bytes(
            Encoding.X962, PublicFormat.CompressedPoint
        )
        self.kid = kid_of(self.public_key)

    def sign(self, data: bytes) -> bytes:
        """Return r || s, 32 bytes each, big-endian."""
        r, s = decode_dss_signature(self._private_key.sign(data, ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


class Ed25519Signer:
    """EdDSA on Ed25519 (RFC 9053, 2.2)."""

    alg: int = EDDSA

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key().public_bytes_raw()
        self.kid = kid_of(self.public_key)

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._private_key.sign(data)


def load_signer(path: Path) -> PrivateSigner:
    """Load the signing key from an unencrypted PKCS#8 PEM file that only its owner can read.

    Raises:
        KeyStoreError: missing, readable by others, not PKCS#8 PEM, or neither P-256 nor Ed25519.
    """
    pem = read_secret(path)
    try:
        private_key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's words are left out: they may quote what is in the file.
        raise KeyStoreError(f"{path}: not an unencrypted private key in PKCS#8 PEM") from None
    if isinstance(private_key, Ed25519PrivateKey):
        return Ed25519Signer(private_key)
    if isinstance(private_key, EllipticCurvePrivateKey):
        return _p256(private_key, path)
    raise KeyStoreError(f"{path}: neither a P-256 nor an Ed25519 key")


def read_secret(path: Path) -> bytes:
    """Return the bytes of a file that nobody but its owner can read or change.

    Raises:
        KeyStoreError: missing, no plain file, or its mode is wider than 0600.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyStoreError(f"{path}: is no plain file")
            if status.st_mode & 0o177:
                mode = stat.S_IMODE(status.st_mode)
                raise KeyStoreError(f"{path}: mode {mode:04o} is too open (chmod 600)")
            return file.read()
    except OSError as error:
        raise KeyStoreError(f"{path}: {error.strerror}") from error


def _p256(private_key: EllipticCurvePrivateKey, path: Path) -> P256Signer:
    try:
        return P256Signer(private_key)
    except KeyStoreError as error:
        raise KeyStoreError(f"{path}: {error}") from error
