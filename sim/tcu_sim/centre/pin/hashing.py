"""How a PIN is stored: argon2id over an HMAC whose key (the pepper) lies apart from the database.

Four digits are guessed at once by whoever has the hashes; without the pepper they cannot even
start. The HMAC also binds a PIN to vehicle and generation: the same digits of another car are
another value.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from argon2.low_level import Type, hash_secret_raw

from tcu_sim.centre.world import Entropy

SALT_BYTES = 16
HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one argon2id costs: about 20 ms, so that an app's twenty entries are no load. The pepper does the rest.

    Source of the default: OWASP Password Storage Cheat Sheet, argon2id with one lane.
    """

    memory_kib: int = 19456
    passes: int = 2
    lanes: int = 1


QUICK = Cost(memory_kib=64, passes=1, lanes=1)
"""For tests and simulated time; no protection worth the name."""


@dataclass(frozen=True, slots=True)
class StoredPin:
    """What the database holds of a PIN."""

    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)


NO_PIN = StoredPin(bytes(SALT_BYTES), bytes(HASH_BYTES))
"""Stands in where there is none, so that looking at it takes as long; equals no hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinHasher:
    """Makes and checks stored PINs."""

    pepper: bytes = field(repr=False)
    cost: Cost = field(default_factory=Cost)

    def store(self, pin: str, *, vehicle_id: str, generation: int, entropy: Entropy) -> StoredPin:
        """Return what to store."""
        salt = entropy.random_bytes(SALT_BYTES)
        return StoredPin(salt, self._hash(pin, vehicle_id, generation, salt))

    def is_right(self, pin: str, stored: StoredPin, *, vehicle_id: str, generation: int) -> bool:
        """Whether it is the stored PIN; takes the same time either way, and for `NO_PIN`."""
        given = self._hash(pin, vehicle_id, generation, stored.salt)
        return hmac.compare_digest(given, stored.hash)

    def _hash(self, pin: str, vehicle_id: str, generation: int, salt: bytes) -> bytes:
        subject = f"{vehicle_id}\n{generation}\n{pin}".encode()
        return hash_secret_raw(
            hmac.digest(self.pepper, subject, hashlib.sha256),
            salt,
            time_cost=self.cost.passes,
            memory_cost=self.cost.memory_kib,
            parallelism=self.cost.lanes,
            hash_len=HASH_BYTES,
            type=Type.ID,
        )
