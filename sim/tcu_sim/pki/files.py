"""Secret files: written once with 0600, read only when nobody else may."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.pki.errors import KeyFileError
from tcu_sim.wire.keys import SigningKey

_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private_directory(path: Path) -> Path:
    """Make a directory that only its owner may enter (0700)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file with 0600, on the disk when it returns.

    Raises:
        KeyFileError: it is there already; a key is never overwritten.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path}: there already; choose an empty directory") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_secret(path: Path, *, size: int | None = None) -> bytes:
    """Return the content of a secret file.

    Raises:
        KeyFileError: missing, open to others, or not `size` bytes long.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from error
    if mode & _FOR_OTHERS:
        raise KeyFileError(f"{path}: open to others; chmod 600 it")
    if size is not None and len(data) != size:
        raise KeyFileError(f"{path}: {len(data)} bytes instead of {size}")
    return data


def replace_public(path: Path, text: str) -> None:
    """Put a new content in the place of the old one at once: a reader sees the one or the other."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def write_signing_key(path: Path, key: SigningKey) -> None:
    """Write a signing key as PEM (PKCS #8, not encrypted)."""
    write_secret(path, _pem(key.private))


def read_signing_key(path: Path) -> SigningKey:
    """Return a P-256 or Ed25519 signing key.

    Raises:
        KeyFileError: missing, open to others, or no such key.
    """
    private = _load(path)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return SigningKey(private)
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        return SigningKey(private)
    raise KeyFileError(f"{path}: neither P-256 nor Ed25519")


def write_hpke_key(path: Path, key: X25519PrivateKey) -> None:
    """Write an X25519 key as PEM (PKCS #8, not encrypted)."""
    write_secret(path, _pem(key))


def read_hpke_key(path: Path) -> X25519PrivateKey:
    """Return an X25519 key.

    Raises:
        KeyFileError: missing, open to others, or no such key.
    """
    private = _load(path)
    if not isinstance(private, X25519PrivateKey):
        raise KeyFileError(f"{path}: no X25519 key")
    return private


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: no unencrypted PEM private key") from error
