"""The ceremony in two steps: a draft goes to the roots, each signs apart from the others, the parts are joined.

A draft is the payload of the bundle, so that each root's holder can read what they sign. A root in an HSM signs the
bytes that `to_sign` gives, by whatever tool the HSM has; `attach` takes its signature.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tcu_sim.errors import BadInput
from tcu_sim.pki.bundles import follows
from tcu_sim.wire import cbor, envelope, fields
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import EDDSA, ES256, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, PublicKey, SigningKey
from tcu_sim.wire.messages import Trust
from tcu_sim.wire.trust import Roots, TrustedKeys, open_container

TYP = Trust.TYP


def draft_of(trust: Trust) -> bytes:
    """Return the payload of a bundle: what the roots sign."""
    return envelope.payload_of(trust)


def read_draft(draft: bytes) -> Trust:
    """Return what a draft says.

    Raises:
        BadInput: it is none.
    """
    try:
        return fields.unpack(Trust, cbor.decode(draft))
    except WireError as error:
        raise BadInput(f"no draft of a trust bundle: {error}") from error


def to_sign(draft: bytes, root: PublicKey, environment: str) -> bytes:
    """Return the exact bytes that a root signs (ES256: with SHA-256).

    Raises:
        BadInput: no draft.
    """
    read_draft(draft)
    return envelope.signing_input(draft, typ=TYP, public=root, environment=environment)


def sign(draft: bytes, root: SigningKey, environment: str) -> bytes:
    """Return the part that a root in a file signs.

    Raises:
        BadInput: no draft.
    """
    signature = root.sign(to_sign(draft, root.public, environment))
    return attach(draft, root.public, environment, signature=signature)


def attach(draft: bytes, root: PublicKey, environment: str, *, signature: bytes) -> bytes:
    """Return the part made with a signature from elsewhere: 64 bytes, or DER as most tools give ECDSA.

    Raises:
        BadInput: no draft, or the signature is not this root's over it.
    """
    to_be_signed = to_sign(draft, root, environment)
    raw = signature if len(signature) == SIGNATURE_BYTES else _from_der(root, signature)
    try:
        root.verify(raw, to_be_signed)
    except WireError as error:
        raise BadInput(f"not the signature of root {root.kid.hex()} over this draft") from error
    return envelope.assemble(draft, typ=TYP, public=root, signature=raw)


def combine(
    parts: Sequence[bytes], roots: Roots, environment: str, *, current: Trust | None
) -> tuple[bytes, TrustedKeys]:
    """Return the container made of the roots' parts, and what it says.

    Raises:
        BadInput: too few roots, another draft in one of them, or no car would take it after `current`.
    """
    try:
        container = cbor.encode(list(parts))
        trusted = open_container(container, roots, environment)
    except WireError as error:
        raise BadInput(f"the parts make no bundle: {error}") from error
    if current is not None and trusted.trust != current and not follows(trusted.trust, current):
        new, old = (f"{each.epoch}.{each.version}" for each in (trusted.trust, current))
        raise BadInput(f"bundle {new} (epoch.version) cannot follow {old}")
    return container, trusted


def public_key_of(text: str) -> PublicKey:
    """Return the public key in hex: 33 bytes are P-256, 32 are Ed25519.

    Raises:
        BadInput: it is none.
    """
    try:
        raw = bytes.fromhex(text)
        alg = {PUBLIC_KEY_BYTES[each]: each for each in (ES256, EDDSA)}[len(raw)]
        return PublicKey(alg, raw)
    except (ValueError, KeyError, WireError) as error:
        raise BadInput(
            f"{text!a} is no public key: hex of 33 bytes (P-256, compressed) or 32 (Ed25519)"
        ) from error


def _from_der(root: PublicKey, signature: bytes) -> bytes:
    try:
        if root.alg == ES256:
            r, s = decode_dss_signature(signature)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError):
        pass
    raise BadInput(f"{len(signature)} bytes are no signature: 64 bytes, or DER for P-256")
