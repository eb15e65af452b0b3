"""The trust container: the list of the centre's keys, signed by enough of the root keys.

And looking keys up in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tcu_sim.wire import cbor
from tcu_sim.wire.envelope import Verified, look, open_signed, read, sign
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.from_centre import KeyRecord, Trust
from tcu_sim.wire.keys import PublicKey, SigningKey
from tcu_sim.wire.messages import ROLES_OF, Message
from tcu_sim.wire.numbers import Role

MOST_SIGNATURES = 8
T = TypeVar("T", bound=Message)


@dataclass(frozen=True, slots=True)
class Roots:
    """The root keys a party was provisioned with, and how many of them must sign."""

    threshold: int
    keys: tuple[PublicKey, ...]

    def by_kid(self) -> Mapping[bytes, PublicKey]:
        """Return the keys by their kid."""
        return {key.kid: key for key in self.keys}


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """A verified trust bundle: checks messages of the centre's services."""

    trust: Trust
    environment: str

    def open(self, data: bytes, cls: type[T]) -> Verified[T]:
        """Return a message of the centre if a key of the right role signed it.

        Raises:
            WireError: malformed, ``unknown-key``, ``revoked``, ``wrong-role`` or ``bad-signature``.
        """
        envelope = look(data)
        record = self._record(envelope.kid)
        if record.role not in ROLES_OF.get(cls, frozenset()):
            raise WireError(f"a {record.role.name} key may not sign this", word="wrong-role")
        return open_signed(data, cls, PublicKey(record.alg, record.public_key), self.environment)

    def desk_recipient(self) -> bytes:
        """Return the theft desk's HPKE public key (X25519, 32 bytes).

        Raises:
            WireError: the bundle names none that is not revoked.
        """
        for record in self.trust.keys:
            if record.hpke_public_key is not None and record.kid not in self.trust.revoked:
                return record.hpke_public_key
        raise WireError("the trust bundle names no theft desk", word="unknown-key")

    def _record(self, kid: bytes) -> KeyRecord:
        if kid in self.trust.revoked:
            raise WireError("the key is revoked", word="revoked")
        for record in self.trust.keys:
            if record.kid == kid:
                return record
        raise WireError("the trust bundle does not know the key", word="unknown-key")


def record_of(role: Role, key: PublicKey, hpke_public_key: bytes | None = None) -> KeyRecord:
    """Return the record of a service's key."""
    return KeyRecord(
        kid=key.kid, role=role, alg=key.alg, public_key=key.raw, hpke_public_key=hpke_public_key
    )


def make_container(trust: Trust, signers: Sequence[SigningKey], environment: str) -> bytes:
    """Return the trust bundle signed by each of `signers`, as it is published and stored."""
    return cbor.encode([sign(trust, signer, environment) for signer in signers])


def open_container(data: bytes, roots: Roots, environment: str) -> TrustedKeys:
    """Return the trust bundle if enough distinct root keys signed one identical payload.

    Raises:
        WireError: malformed, or ``threshold``.
    """
    parts = cbor.decode(data, longest=cbor.LONGEST_CONTAINER_BYTES)
    if not isinstance(parts, list) or not 2 <= len(parts) <= MOST_SIGNATURES:
        raise WireError("no trust container")
    envelopes = [look(part) for part in parts if type(part) is bytes]
    if len(envelopes) != len(parts) or len({envelope.payload for envelope in envelopes}) != 1:
        raise WireError("the signatures are not over one payload")
    if len({envelope.kid for envelope in envelopes}) != len(parts):
        raise WireError("one root key twice")
    trust = read(envelopes[0], Trust)
    known = roots.by_kid()
    good = 0
    for envelope in envelopes:
        read(envelope, Trust)
        if envelope.kid in known:
            envelope.verify(known[envelope.kid], environment)
            good += 1
    if good < roots.threshold:
        raise WireError(f"{good} of {roots.threshold} root signatures", word="threshold")
    return TrustedKeys(trust, environment)
