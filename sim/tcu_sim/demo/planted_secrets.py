"""The keys and tokens of a bench, to be looked for where they must not be, and the files that they do belong into."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tcu_sim.pki.layout import Layout

_SCALAR_BYTES = 32
_BASE64_BITS = 6


@dataclass(frozen=True, slots=True)
class Secrets:
    """`values`: the bytes of each key and token; `homes`: the files that hold them."""

    values: tuple[bytes, ...] = field(repr=False)
    homes: frozenset[Path]


def secrets_of(layout: Layout) -> Secrets:
    """Return the private keys, symmetric keys and tokens of a bench."""
    found: dict[Path, bytes] = {}
    for file in sorted(layout.root.rglob("*")):
        if file.suffix == ".pem" and b"PRIVATE" in file.read_bytes():
            found[file] = _raw(file.read_bytes())
        elif file.suffix == ".key":
            found[file] = file.read_bytes()
        elif file.suffix == ".token":
            found[file] = file.read_bytes().strip()
    return Secrets(tuple(found.values()), frozenset(found))


def forms(secret: bytes) -> Iterator[bytes]:
    """Yield what a secret looks like in a file: as it is, in hex, and in base64 wherever it begins in a longer text."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for shift in range(3):
        # Only the characters that depend on nothing but the secret.
        first = -(-shift * 8 // _BASE64_BITS)
        last = (shift + len(secret)) * 8 // _BASE64_BITS
        whole = base64.b64encode(bytes(shift) + secret)[first:last]
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")


def _raw(pem: bytes) -> bytes:
    """Return the scalar (big-endian) or seed of a private key, 32 bytes."""
    key = load_pem_private_key(pem, password=None)
    if isinstance(key, EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(_SCALAR_BYTES, "big")
    if isinstance(key, Ed25519PrivateKey | X25519PrivateKey):
        return key.private_bytes_raw()
    raise TypeError(f"a bench has no {type(key).__name__}")
