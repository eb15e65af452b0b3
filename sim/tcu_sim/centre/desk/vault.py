"""Positions at rest: encrypted under a key of their case.

Which is itself wrapped and is what gets erased at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tcu_sim.centre.errors import Denied
from tcu_sim.centre.world import Entropy

NONCE_BYTES = 12
KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a position belongs: its case, the car's stream, and its number there."""

    case_id: bytes
    stream_id: bytes
    seq: int

    @property
    def label(self) -> bytes:
        """What it is encrypted for."""
        return self.case_id + self.stream_id + self.seq.to_bytes(4, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """Wraps case keys under the desk's store key, and seals positions under case keys."""

    store_key: bytes = field(repr=False)
    entropy: Entropy

    def new_case_key(self, case_id: bytes) -> bytes:
        """Return a fresh case key, wrapped."""
        return self._seal(self.store_key, self.entropy.random_bytes(KEY_BYTES), case_id)

    def seal(self, plain: bytes, *, wrapped_key: bytes, place: Place) -> bytes:
        """Return a position encrypted for the store.

        Raises:
            Denied: the case key is damaged.
        """
        return self._seal(self._unwrap(wrapped_key, place.case_id), plain, place.label)

    def open(self, sealed: bytes, *, wrapped_key: bytes, place: Place) -> bytes:
        """Return a position from the store.

        Raises:
            Denied: the store is damaged.
        """
        return _open(self._unwrap(wrapped_key, place.case_id), sealed, place.label)

    def _unwrap(self, wrapped_key: bytes, case_id: bytes) -> bytes:
        return _open(self.store_key, wrapped_key, case_id)

    def _seal(self, key: bytes, plain: bytes, label: bytes) -> bytes:
        nonce = self.entropy.random_bytes(NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plain, label)


def _open(key: bytes, sealed: bytes, label: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label)
    except InvalidTag as error:
        raise Denied("store", "the theft desk's store is damaged") from error
