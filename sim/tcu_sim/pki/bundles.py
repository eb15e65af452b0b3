"""From one trust bundle to the next: rotation with overlap, retirement, revocation, a new epoch. Values in, values out.

Source: docs/protocol.md, "Trust"; the steps around each: docs/trust.md.
"""

from __future__ import annotations

from dataclasses import replace

from tcu_sim.errors import BadInput
from tcu_sim.wire.messages import KeyRecord, Trust
from tcu_sim.wire.numbers import Role

MOST_KEYS = 32
MOST_REVOKED = 32
"""Source: docs/protocol.cddl, trust."""


def with_key(trust: Trust, record: KeyRecord, *, now_s: int) -> Trust:
    """Return the next version with one key more: old and new are both good (overlap).

    Raises:
        BadInput: the key is there already, was revoked, or there is no room.
    """
    if record.kid in {each.kid for each in trust.keys}:
        raise BadInput(f"key {record.kid.hex()} is in the bundle already")
    if record.kid in trust.revoked:
        raise BadInput(f"key {record.kid.hex()} was revoked; a revoked key never comes back")
    if len(trust.keys) == MOST_KEYS:
        raise BadInput(f"the bundle holds {MOST_KEYS} keys already; retire one first")
    return _next(trust, now_s=now_s, keys=(*trust.keys, record))


def without_key(trust: Trust, kid: bytes, *, now_s: int) -> Trust:
    """Return the next version without a key that nobody uses any more (the end of an overlap).

    Raises:
        BadInput: it is not there, or the only one of its role.
    """
    record = find(trust, kid)
    if len(of_role(trust, record.role)) == 1:
        raise BadInput(
            f"key {kid.hex()} is the only one of its role; rotate first, or revoke it if it is stolen"
        )
    return _next(trust, now_s=now_s, keys=_others(trust, kid))


def revoked(trust: Trust, kid: bytes, *, now_s: int, successor: KeyRecord | None = None) -> Trust:
    """Return the next version in which a key counts no more, perhaps with its successor at once.

    Raises:
        BadInput: it is not there, the successor is, or nothing would be left.
    """
    find(trust, kid)
    before = with_key(trust, successor, now_s=now_s) if successor is not None else trust
    keys = _others(before, kid)
    if not keys:
        raise BadInput("this is the bundle's only key; a bundle without a key means nothing")
    # When the list is full, the oldest leaves it: a key that is not in the bundle is refused all the same.
    kept = (*trust.revoked, kid)[-MOST_REVOKED:]
    return replace(_next(trust, now_s=now_s, keys=keys), revoked=kept)


def next_epoch(trust: Trust, *, now_s: int) -> Trust:
    """Return the first version of the next epoch, with the same keys: it follows whatever version came before."""
    return replace(trust, epoch=trust.epoch + 1, version=1, issued_s=now_s)


def follows(new: Trust, old: Trust) -> bool:
    """Whether a car that has `old` takes `new`."""
    if new.epoch != old.epoch:
        return new.epoch > old.epoch
    return new.version > old.version and new.issued_s >= old.issued_s


def find(trust: Trust, kid: bytes) -> KeyRecord:
    """Return the record of a key.

    Raises:
        BadInput: the bundle has no such key.
    """
    for record in trust.keys:
        if record.kid == kid:
            return record
    raise BadInput(f"the bundle has no key {kid.hex()} (tcu-sim pki show lists them)")


def of_role(trust: Trust, role: Role) -> tuple[KeyRecord, ...]:
    """Return the keys of a role, in the order of the bundle."""
    return tuple(record for record in trust.keys if record.role is role)


def _others(trust: Trust, kid: bytes) -> tuple[KeyRecord, ...]:
    return tuple(record for record in trust.keys if record.kid != kid)


def _next(trust: Trust, *, now_s: int, keys: tuple[KeyRecord, ...]) -> Trust:
    # A clock that was set back must not make a bundle that no car takes.
    return replace(trust, version=trust.version + 1, keys=keys, issued_s=max(now_s, trust.issued_s))
