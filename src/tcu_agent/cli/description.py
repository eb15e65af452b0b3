"""A message for people: every field by its name, every signature checked, what is inside as well.

Nothing here decides anything. A sealed position stays sealed: only its length is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from tcu_agent.core.verify.steps import SIGNERS
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import codec, cose
from tcu_agent.protocol.cose import Envelope, VerificationKey
from tcu_agent.protocol.messages import Common, Position, Trust
from tcu_agent.protocol.trust import Keyring

ALGS = {cose.ES256: "ES256", cose.EDDSA: "EdDSA"}
VERIFIED, NO_KEY, WRONG = "verified", "not verified (no key)", "WRONG"
LOCKS = ("front-left", "front-right", "rear-left", "rear-right", "tailgate")
_MESSAGES_INSIDE = frozenset({"evidence", "approval"})

Tree = dict[str, Any]
"""JSON-ready; `fields` holds the message, nested messages as trees of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKeys:
    """What signatures can be checked with. All optional: what is missing is said."""

    environment: str
    keyring: Keyring | None = None
    vehicle: VerificationKey | None = None
    roots: tuple[VerificationKey, ...] = ()


def describe(data: bytes, known: KnownKeys) -> Tree:
    """Return what a message says and whether its signature is right.

    Raises:
        MalformedError: it is no message; says exactly why.
    """
    envelope = cose.parse(data)
    kind = codec.message_of(envelope.typ)
    if kind is None:
        raise MalformedError(f"envelope: unknown typ {envelope.typ!r}")
    signature, signer = _signature(envelope, kind, known)
    message = codec.decode(kind, envelope.claimed_payload)
    return {
        "type": codec.topic_type(kind),
        "signature": signature,
        "signer": signer,
        "environment": known.environment,
        "alg": ALGS[envelope.alg],
        "kid": envelope.kid.hex(),
        "bytes": len(data),
        "payload_sha256": codec.payload_hash(envelope.claimed_payload).hex(),
        "fields": _fields(message, known),
    }


def is_verified(tree: Tree) -> bool:
    """Whether the signature is right, and those of all messages inside."""
    inside = [each for each in tree["fields"].values() if isinstance(each, dict)]
    nested = [each for each in inside if "signature" in each]
    return tree["signature"] == VERIFIED and all(is_verified(each) for each in nested)


def _signature(envelope: Envelope, kind: type, known: KnownKeys) -> tuple[str, str]:
    """Return how the signature is, and whose it is or claims to be."""
    key, signer, remark = _key(envelope, kind, known)
    if key is None:
        return NO_KEY, signer
    if cose.verify(envelope, key=key, environment=known.environment) is None:
        return WRONG, signer
    return remark or VERIFIED, signer


def _key(
    envelope: Envelope, kind: type, known: KnownKeys
) -> tuple[VerificationKey | None, str, str]:
    """Return the key, its owner, and what is wrong with it even if the signature is right."""
    if kind is Trust:
        root = next((each for each in known.roots if each.kid == envelope.kid), None)
        return root, "root", ""
    if kind not in SIGNERS:
        own = known.vehicle if known.vehicle and known.vehicle.kid == envelope.kid else None
        return own, "vehicle", ""
    found = known.keyring.find(envelope.kid) if known.keyring else None
    if known.keyring is None or found is None:
        return None, "unknown", ""
    role = _word(found.role)
    if known.keyring.is_revoked(envelope.kid):
        return found.key, role, "WRONG: the key is revoked"
    if found.role not in SIGNERS[kind]:
        return found.key, role, f"WRONG: the role {role} may not sign this"
    return found.key, role, ""


def _fields(message: object, known: KnownKeys) -> Tree:
    tree: Tree = {}
    for each in fields(message):  # type: ignore[arg-type]  # every message is a dataclass
        value = getattr(message, each.name)
        if isinstance(value, Common):
            tree.update(_fields(value, known))
        elif each.name in _MESSAGES_INSIDE and value is not None:
            tree[each.name] = describe(value, known)
        elif isinstance(message, Position) and each.name == "sealed" and value is not None:
            tree[each.name] = f"{len(value)} bytes, sealed to the theft desk"
        elif each.name == "locks":
            tree[each.name] = {LOCKS[lock]: _word(state) for lock, state in value.items()}
        elif value is not None:
            tree[each.name] = _plain(value, known)
            if each.name == "wall_time_ms" and value:
                tree["wall_time"] = _iso(value / 1000)
            if each.name in {"issued_s", "asleep_until_s"}:
                tree[each.name.removesuffix("_s")] = _iso(value)
    return tree


def _plain(value: object, known: KnownKeys) -> object:
    match value:
        case IntEnum():
            return _word(value)
        case bytes():
            return value.hex()
        case tuple():
            return [_plain(item, known) for item in value]
        case Mapping():
            return dict(value)
        case _ if is_dataclass(value):
            return _fields(value, known)
        case _:
            return value


def _word(value: IntEnum) -> str:
    return value.name.lower().replace("_", "-")


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return "beyond the calendar"
