"""A trust bundle in words, for the person who is about to sign it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tcu_sim.pki.ceremony import ROLES
from tcu_sim.wire.messages import Trust
from tcu_sim.wire.numbers import Role

_WORDS = {role: word for word, role in ROLES.items()}


def role_word(role: Role) -> str:
    """Return the word for a role on the command line: the name of its service."""
    return _WORDS[role]


def trust_in_words(trust: Trust) -> Iterator[str]:
    """Yield what a bundle says, a line for each thing."""
    issued = datetime.fromtimestamp(trust.issued_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield f"bundle epoch {trust.epoch}, version {trust.version}, issued {issued}"
    for record in trust.keys:
        yield f"  {role_word(record.role):<8} kid {record.kid.hex()}  public key {record.public_key.hex()}"
    for kid in trust.revoked:
        yield f"  revoked  kid {kid.hex()}"
