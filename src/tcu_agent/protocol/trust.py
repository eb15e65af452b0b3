"""The trust bundle: which key may say what, and how a bundle proves that the root keys made it.

`open_container` checks the bundle itself (steps T1 to T4); whether it may follow the one in force
is `core.verify`'s to say. Source: docs/protocol.md, "Trust".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose
from tcu_agent.protocol.cose import Envelope, VerificationKey
from tcu_agent.protocol.messages import KeyRecord, Trust
from tcu_agent.protocol.vocabulary import Reason, Role

CONTAINER_LIMIT = 65_536
"""Bytes: 8 messages of 8192."""
MIN_SIGNATURES, MAX_SIGNATURES = 2, 8
"""Source: docs/protocol.cddl, trust-container."""


def root_keys(public_keys: Iterable[bytes]) -> tuple[VerificationKey, ...]:
    """Return the root keys that a configuration lists (33 bytes P-256 or 32 bytes Ed25519 each).

    Raises:
        MalformedError: one is no key, or one stands there twice.
    """
    keys = tuple(VerificationKey.of(each) for each in public_keys)
    if len({key.kid for key in keys}) != len(keys):
        raise MalformedError("a root key stands there twice")
    return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key of the bundle, with the one role that it has."""

    role: Role
    key: VerificationKey
    hpke_public_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """A trust bundle whose keys are known to be keys.

    Raises:
        MalformedError: a public key is no point on its curve.
    """

    trust: Trust
    _keys: Mapping[bytes, TrustedKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Load every key, revoked or not."""
        keys = {record.kid: _loaded(record) for record in self.trust.keys}
        object.__setattr__(self, "_keys", MappingProxyType(keys))

    def find(self, kid: bytes) -> TrustedKey | None:
        """Return the key with this id, revoked or not."""
        return self._keys.get(kid)

    def is_revoked(self, kid: bytes) -> bool:
        """Whether the bundle revokes this id, be the key in it or not."""
        return kid in self.trust.revoked

    def may_follow(self, current: Keyring) -> bool:
        """T6: a higher epoch; or a higher version in the same epoch, not issued earlier."""
        new, old = self.trust, current.trust
        if new.epoch != old.epoch:
            return new.epoch > old.epoch
        return new.version > old.version and new.issued_s >= old.issued_s

    def position_recipient(self) -> bytes | None:
        """Return the HPKE public key (X25519, 32 bytes) that positions are sealed to.

        It is the first theft-desk key of the bundle that is not revoked; None if there is none.
        """
        for kid, each in self._keys.items():
            if each.hpke_public_key is not None and not self.is_revoked(kid):
                return each.hpke_public_key
        return None


def _loaded(record: KeyRecord) -> TrustedKey:
    key = VerificationKey(alg=record.alg, public_key=record.public_key)
    return TrustedKey(role=record.role, key=key, hpke_public_key=record.hpke_public_key)


def open_container(
    data: bytes, *, roots: Collection[VerificationKey], threshold: int, environment: str
) -> Keyring:
    """Return the bundle in a container, signed by at least `threshold` of the root keys.

    Raises:
        MalformedError: T1 to T4 of docs/protocol.md; `reason` says which.
    """
    envelopes = _envelopes(data)
    by_kid = {root.kid: root for root in roots}
    signed = [each for each in envelopes if each.kid in by_kid]
    payload = b""
    for each in signed:
        verified = cose.verify(each, key=by_kid[each.kid], environment=environment)
        if verified is None:
            raise MalformedError("a root's signature is wrong", reason=Reason.BAD_SIGNATURE)
        payload = verified.content
    if len(signed) < max(threshold, MIN_SIGNATURES):
        detail = f"{len(signed)} root signatures, {max(threshold, MIN_SIGNATURES)} are needed"
        raise MalformedError(detail, reason=Reason.THRESHOLD_NOT_MET)
    return Keyring(codec.decode(Trust, payload))


def claimed_bundle(data: bytes) -> Keyring:
    """Return the bundle in a container WITHOUT looking at a signature: for tools that show what it says.

    Raises:
        MalformedError: T1 or T4 of docs/protocol.md.
    """
    return Keyring(codec.decode(Trust, _envelopes(data)[0].claimed_payload))


def messages_of(data: bytes) -> Sequence[bytes]:
    """Return the messages in a container.

    Raises:
        MalformedError: not an array of 2..8 byte strings (T1).
    """
    items = cbor.decode(data, limit=CONTAINER_LIMIT)
    if not isinstance(items, list) or not MIN_SIGNATURES <= len(items) <= MAX_SIGNATURES:
        raise MalformedError(f"trust-container: not {MIN_SIGNATURES}..{MAX_SIGNATURES} messages")
    messages = [item for item in items if isinstance(item, bytes)]
    if len(messages) != len(items):
        raise MalformedError("trust-container: an item that is no message")
    return messages


def _envelopes(data: bytes) -> Sequence[Envelope]:
    """Return the messages of a container: type trust, distinct signers, one payload (T1)."""
    envelopes = [cose.parse(message) for message in messages_of(data)]
    if any(each.typ != codec.typ_of(Trust) for each in envelopes):
        detail = "trust-container: a message of another type"
        raise MalformedError(detail, reason=Reason.UNSUPPORTED_TYPE)
    if len({each.kid for each in envelopes}) != len(envelopes):
        raise MalformedError("trust-container: two signatures by one key")
    if len({each.claimed_payload for each in envelopes}) != 1:
        raise MalformedError("trust-container: the payloads differ")
    return envelopes
