"""The holders of the root keys in a scenario: they list keys, revoke them, and publish what they have signed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.bench.light_centre import ISSUED_S, seeded_key
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire import messages as m
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Role, Service, Told
from tcu_sim.wire.trust import make_container, record_of


@dataclass(slots=True)
class Roots:
    """The root keys' holders of a world. `keys`: what the next bundle lists, by name."""

    world: World
    keys: dict[str, tuple[Role, SigningKey, bytes | None]]
    revoked: tuple[bytes, ...] = ()
    epoch: int = 1
    version: int = 1
    adopted: int = 1

    def trust(self) -> m.Trust:
        return m.Trust(
            version=self.version,
            epoch=self.epoch,
            keys=tuple(record_of(role, key.public, seal) for role, key, seal in self.keys.values()),
            revoked=self.revoked,
            issued_s=ISSUED_S,
        )

    def signed(self, signers: Sequence[SigningKey] | None = None) -> bytes:
        by = self.world.centre.roots[:2] if signers is None else signers
        return make_container(self.trust(), by, self.world.centre.environment)

    async def publish(self, *, version: int | None = None) -> bytes:
        """Publish the next version and wait until the car has taken it."""
        self.version = self.version + 1 if version is None else version
        data = self.signed()
        self.world.attack("trust", data)
        self.adopted += 1
        await self.world.waiting.event(Told.TRUST_CHANGED, number=self.adopted)
        return data

    def add(self, name: str, role: Role, *, seal: X25519PrivateKey | None = None) -> SigningKey:
        """List one more key of a role."""
        key = seeded_key(name)
        public = None if seal is None else seal.public_key().public_bytes_raw()
        self.keys[name] = (role, key, public)
        return key

    def drop(self, name: str, *, revoke: bool = False) -> None:
        _, key, _ = self.keys.pop(name)
        if revoke:
            self.revoked = (*self.revoked, key.public.kid)


async def roots_of(world: World) -> Roots:
    """Return the roots after the first bundle, which the world has sent."""
    desk = world.centre.desk_private.public_key().public_bytes_raw()
    await world.waiting.event(Told.TRUST_CHANGED)
    return Roots(
        world,
        {
            role.name: (role, key, desk if role is Role.THEFT_DESK else None)
            for role, key in world.centre.keys.items()
        },
    )


async def refused(world: World, word: str, data: bytes) -> int:
    since = len(world.centre.heard.refusals)
    world.attack(word, data)
    return await world.waiting.refusal(since=since)


async def refused_grant(world: World, request_id: bytes) -> int:
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id))
    return await world.waiting.refusal(since=since)


def state_of(world: World) -> tuple[int, int]:
    """Return epoch and version that the car's last challenge names."""
    last = list(world.centre.heard.challenges.values())[-1].message
    return last.trust_epoch, last.trust_version


async def challenged(world: World) -> bytes:
    return await world.operator.challenged(Service.UNLOCK, unlock_parameters())


def sealing_key(name: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
