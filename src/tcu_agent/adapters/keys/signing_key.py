"""The vehicle's signing key from a file, or (adapters.keys.pkcs11_signer) in a token behind the same port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.config import SigningKey, TokenKey
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


def load_signer(where: SigningKey) -> PrivateSigner:
    """Return the signer on a key: in a file that only its owner can read, or in a PKCS#11 token.

    Raises:
        KeyStoreError: missing, readable by others, not PKCS#8 PEM, neither P-256 nor Ed25519; or what
            `pkcs11_signer` says about a token.
    """
    if isinstance(where, TokenKey):
        with _explained():
            from tcu_agent.adapters.keys.pkcs11_signer import TokenSigner  # noqa: PLC0415 - an extra
        return TokenSigner(where)
    return _load_file(where)


def create_key(where: SigningKey) -> None:
    """Make a P-256 key in a new file (0600, PKCS#8 PEM), or in a token such that it never leaves it.

    Raises:
        KeyStoreError: there already, or it cannot be made.
    """
    if isinstance(where, TokenKey):
        with _explained():
            from tcu_agent.adapters.keys.pkcs11_token import create_token_key  # noqa: PLC0415 - an extra
        create_token_key(where)
    else:
        _create_file(where)


@contextmanager
def _explained() -> Iterator[None]:
    """Say what is missing where the extra is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "pkcs11":
            raise
        raise KeyStoreError(
            "a key in a PKCS#11 token needs python-pkcs11 (pip install 'tcu-agent[pkcs11]')"
        ) from error


def _create_file(path: Path) -> None:
    private_key = generate_private_key(SECP256R1())
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(path.parent)
    except FileExistsError:
        raise KeyStoreError(f"{path}: there already; a key is never overwritten") from None
    except OSError as error:
        raise KeyStoreError(f"{path}: {error.strerror}") from error


def _sync_directory(path: Path) -> None:
    """Make the name of a new file as durable as its content: the centre may enrol the key a moment later."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _load_file(path: Path) -> PrivateSigner:
    pem = read_secret(path)
    try:
        private_key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        # InternalError: what OpenSSL says of an Ed25519 key of another length.
        # The library's words are left out: they may quote what is in the file.
        raise KeyStoreError(f"{path}: not an unencrypted private key in PKCS#8 PEM") from None
    if isinstance(private_key, Ed25519PrivateKey):
        return Ed25519Signer(private_key)
    if isinstance(private_key, EllipticCurvePrivateKey):
        return _p256(private_key, path)
    raise KeyStoreError(f"{path}: neither a P-256 nor an Ed25519 key")


def _p256(private_key: EllipticCurvePrivateKey, path: Path) -> P256Signer:
    try:
        return P256Signer(private_key)
    except KeyStoreError as error:
        raise KeyStoreError(f"{path}: {error}") from error
