"""The trust bundle in the life of a car: rotation with overlap, revocation on receipt, never backwards, epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.light_centre import ISSUED_S, seeded_key
from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Outcome, Role, Service, Told
from tcu_sim.wire.sealing import label_of, unseal
from tcu_sim.wire.trust import make_container, record_of
from tests.scenarios.worlds import press, press_plate

CASE = b"case of the test"
HUGE = 2**53 - 1
"""The highest version that the grammar allows."""


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


# ------------------------------------------------------------------ rotation with overlap


@pytest.mark.parametrize("role", [Role.COMMAND, Role.PIN_AUTHORITY])
async def test_old_and_new_key_work_through_a_rotation_and_then_the_new_one_alone(
    world: World, role: Role
) -> None:
    roots, old = await roots_of(world), world.centre.keys[role]
    new = roots.add("next", role)
    await roots.publish()
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    world.centre.keys[role] = new
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    roots.drop(role.name)
    await roots.publish()
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    request_id = await challenged(world)
    world.centre.keys[role] = old
    assert await refused_grant(world, request_id) == Reason.UNKNOWN_KEY
    assert len(world.unlocks()) == 1  # the others found it unlocked


async def test_a_rotation_does_not_end_what_a_theft_case_needs(world: World) -> None:
    """Tracking goes on; from the bundle on, positions are sealed to the desk's new key."""
    roots, next_seal = await roots_of(world), _sealing_key("next")
    request_id = await world.operator.granted(
        Service.POSITION, locate_parameters(10, 60), incident_id=CASE
    )
    await world.waiting.until("a position", lambda: world.centre.heard.positions)
    roots.add("next", Role.THEFT_DESK, seal=next_seal)
    await roots.publish()
    roots.drop(Role.THEFT_DESK.name)
    await roots.publish()
    seen = set(world.centre.heard.positions)
    await world.waiting.until(
        "another position", lambda: set(world.centre.heard.positions) - seen - {(CASE, 2)}
    )
    latest = world.centre.heard.positions[max(world.centre.heard.positions)]
    label = label_of(latest, world.centre.environment)
    assert unseal(latest.sealed, label, next_seal).wall_time_ms > 0
    with pytest.raises(WireError):
        unseal(latest.sealed, label, world.centre.desk_private)
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=90)
    assert (ended.reason, ended.request_id) == (Reason.STOP_TIME, request_id)


def _sealing_key(name: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


# ------------------------------------------------------------------ revocation takes effect on receipt


async def test_a_challenge_that_is_out_when_a_bundle_arrives_is_dead(world: World) -> None:
    roots = await roots_of(world)
    request_id = await challenged(world)
    grant = world.centre.grant(request_id)
    await roots.publish()
    since = len(world.centre.heard.refusals)
    world.centre.send(grant)
    assert await world.waiting.refusal(since=since) == Reason.GENERATION_MISMATCH
    assert world.unlocks() == []
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    assert state_of(world) == (1, 2)


@pytest.mark.parametrize("role", [Role.COMMAND, Role.PIN_AUTHORITY])
async def test_a_revoked_key_opens_nothing_from_the_moment_on(world: World, role: Role) -> None:
    roots = await roots_of(world)
    before = await challenged(world)
    new = roots.add("next", role)
    roots.drop(role.name, revoke=True)
    await roots.publish()
    assert await refused_grant(world, before) == Reason.KEY_REVOKED
    stolen, world.centre.keys[role] = world.centre.keys[role], new
    assert await refused_grant(world, before) == Reason.GENERATION_MISMATCH
    after = await challenged(world)
    world.centre.keys[role] = stolen
    assert await refused_grant(world, after) == Reason.KEY_REVOKED
    assert world.unlocks() == []


async def test_a_revoked_desk_approves_nothing(world: World) -> None:
    roots = await roots_of(world)
    new = roots.add("next", Role.THEFT_DESK, seal=_sealing_key("next"))
    roots.drop(Role.THEFT_DESK.name, revoke=True)
    await roots.publish()
    request_id = await world.operator.challenged(
        Service.POSITION, locate_parameters(), incident_id=CASE
    )
    assert await refused_grant(world, request_id) == Reason.KEY_REVOKED
    world.centre.keys[Role.THEFT_DESK] = new
    world.centre.send(world.centre.grant(request_id))
    assert (await world.operator.result(request_id)).outcome is Outcome.EXECUTED


async def test_an_armed_unlock_does_not_outlive_the_keys_it_was_granted_under(world: World) -> None:
    roots = await roots_of(world)
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters(60))
    await world.waiting.event(Told.UNLOCK_ARMED)
    roots.add("next", Role.COMMAND)
    roots.drop(Role.COMMAND.name, revoke=True)
    await roots.publish()
    result = await world.operator.result(request_id)
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    press_plate(world)
    await world.pass_time(5)
    assert world.unlocks() == []


async def test_a_revocation_survives_a_power_cut(world: World) -> None:
    roots = await roots_of(world)
    new = roots.add("next", Role.PIN_AUTHORITY)
    roots.drop(Role.PIN_AUTHORITY.name, revoke=True)
    await roots.publish()
    await world.power_cut()
    await world.waiting.event(Told.STARTED, number=2)
    request_id = await challenged(world)
    assert await refused_grant(world, request_id) == Reason.KEY_REVOKED
    assert state_of(world) == (1, 2)
    world.centre.keys[Role.PIN_AUTHORITY] = new
    world.centre.send(world.centre.grant(request_id))
    assert (await world.operator.result(request_id)).outcome is Outcome.EXECUTED


# ------------------------------------------------------------------ never backwards


async def test_an_older_bundle_is_refused_also_after_a_power_cut(world: World) -> None:
    """Rollback: the attacker kept the bundle under which the stolen key was still good."""
    roots = await roots_of(world)
    first = roots.signed()
    roots.add("next", Role.COMMAND)
    roots.drop(Role.COMMAND.name, revoke=True)
    second = await roots.publish()
    assert await refused(world, "trust", first) == Reason.STALE_VERSION
    await world.power_cut()
    await world.waiting.event(Told.STARTED, number=2)
    assert await refused(world, "trust", first) == Reason.STALE_VERSION
    changed = len(world.waiting.events(Told.TRUST_CHANGED))
    world.attack("trust", second)  # the one in force: nothing to do, nothing refused
    await world.pass_time(2)
    assert len(world.waiting.events(Told.TRUST_CHANGED)) == changed


async def test_another_bundle_of_the_same_version_is_refused(world: World) -> None:
    roots = await roots_of(world)
    roots.add("next", Role.COMMAND)
    assert await refused(world, "trust", roots.signed()) == Reason.STALE_VERSION


async def test_who_has_one_root_has_nothing(world: World) -> None:
    roots, (first, *_) = await roots_of(world), world.centre.roots
    thief = roots.add("thief", Role.PIN_AUTHORITY)
    roots.version = 2
    once, stranger = roots.signed([first]), seeded_key("stranger")
    attempts: Mapping[bytes, Reason] = {
        once: Reason.MALFORMED,
        roots.signed([first, first]): Reason.MALFORMED,
        roots.signed([first, stranger]): Reason.THRESHOLD_NOT_MET,
        roots.signed([stranger, thief]): Reason.THRESHOLD_NOT_MET,
    }
    for data, reason in attempts.items():
        assert await refused(world, "trust", data) == reason
    request_id = await challenged(world)
    world.centre.keys[Role.PIN_AUTHORITY] = thief
    assert await refused_grant(world, request_id) == Reason.UNKNOWN_KEY
    assert world.unlocks() == []


async def test_a_broker_that_withholds_a_bundle_cannot_hide_that_it_does(world: World) -> None:
    """Freeze: the challenge names the versions, and the authorities judge by it (tests/centre/test_rotation.py)."""
    roots = await roots_of(world)
    roots.version = 5
    roots.signed()  # never arrives
    await challenged(world)
    assert state_of(world) == (1, 1)
    await roots.publish()
    await challenged(world)
    assert state_of(world) == (1, 6)


# ------------------------------------------------------------------ a new epoch


async def test_an_epoch_recovers_from_a_thief_of_the_account_key(world: World) -> None:
    """A thief can only take rights away; but after the highest version nobody else is heard."""
    roots, centre = await roots_of(world), world.centre
    stolen = centre.keys[Role.ACCOUNT]
    centre.account.version = HUGE - 1
    centre.account.pin_generation = 2**32 - 1
    centre.send_account()
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=2)
    centre.account.version, centre.account.pin_generation = 2, 2
    since = len(centre.heard.refusals)
    centre.send_account()
    assert await world.waiting.refusal(since=since) == Reason.STALE_VERSION

    new = roots.add("next", Role.ACCOUNT)
    roots.drop(Role.ACCOUNT.name, revoke=True)
    roots.epoch = centre.epoch = 2
    await roots.publish(version=1)
    assert (
        await world.operator.refused(Service.UNLOCK, unlock_parameters()) == Reason.ACCOUNT_MISSING
    )
    thiefs = sign(_account(world, HUGE), stolen, centre.environment)
    assert await refused(world, "account", thiefs) == Reason.KEY_REVOKED
    centre.keys[Role.ACCOUNT], centre.account.version = new, 0
    centre.send_account()
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=3)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    assert state_of(world) == (2, 1)


async def test_an_epoch_recovers_from_a_version_of_the_bundle_that_jumped(world: World) -> None:
    roots = await roots_of(world)
    jumped = await roots.publish(version=HUGE)
    roots.version = HUGE
    roots.add("next", Role.COMMAND)
    assert await refused(world, "trust", roots.signed()) == Reason.STALE_VERSION
    roots.epoch = world.centre.epoch = 2
    await roots.publish(version=1)
    assert await refused(world, "trust", jumped) == Reason.STALE_VERSION
    world.centre.send_account()
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=2)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    assert state_of(world) == (2, 1)
    await world.power_cut()
    await world.waiting.event(Told.STARTED, number=2)
    assert await refused(world, "trust", jumped) == Reason.STALE_VERSION


async def test_users_stay_through_an_epoch_and_need_no_pin_again(world: World) -> None:
    roots = await roots_of(world)
    await world.operator.change_users(Service.APP_LINK, "owner")
    roots.epoch = world.centre.epoch = 2
    await roots.publish(version=1)
    world.centre.send_account()
    changed = await world.waiting.event(Told.ACCOUNT_CHANGED, number=3)
    assert changed.values["Vehicle.TCU.Account.Version"] == world.centre.account.version


async def test_an_account_of_the_former_epoch_is_nothing_any_more(world: World) -> None:
    roots = await roots_of(world)
    roots.epoch = 2
    await roots.publish(version=1)
    old = sign(_account(world, 9), world.centre.keys[Role.ACCOUNT], world.centre.environment)
    assert await refused(world, "account", old) == Reason.STALE_VERSION
    new = replace(_account(world, 9), epoch=2)
    world.attack("account", sign(new, world.centre.keys[Role.ACCOUNT], world.centre.environment))
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=2)


# ------------------------------------------------------------------ other roots in the configuration


async def reconfigured(world: World, roots: Sequence[SigningKey]) -> None:
    """Start the agent again with other roots in its configuration."""
    car = world.agent._car
    settings = replace(car.settings, roots=tuple(root.public.raw for root in roots))
    world.agent._car = replace(car, settings=settings)
    await world.restart_agent()
    await world.waiting.event(Told.STARTED, number=2)


async def test_roots_change_with_the_configuration_after_a_bundle_that_both_sets_signed(
    world: World,
) -> None:
    roots, (first, second, third) = await roots_of(world), world.centre.roots
    fourth = seeded_key("root 4")
    roots.version = 2
    world.attack("trust", roots.signed([first, second, fourth]))
    await world.waiting.event(Told.TRUST_CHANGED, number=2)
    await reconfigured(world, [second, third, fourth])
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    roots.version = 3
    assert await refused(world, "trust", roots.signed([first, second])) == Reason.THRESHOLD_NOT_MET
    world.attack("trust", roots.signed([third, fourth]))
    await world.waiting.event(Told.TRUST_CHANGED, number=3)


async def test_roots_that_did_not_sign_the_bundle_leave_the_car_without_remote_services(
    world: World,
) -> None:
    await reconfigured(world, [seeded_key("root 4"), seeded_key("root 5")])
    reason = await world.operator.refused(Service.UNLOCK, unlock_parameters())
    assert reason == Reason.STATE_CORRUPT
    await world.pass_time(3)
    press(world, 0.5)
    await world.waiting.event(Told.ON_CALL_PRESSED)


def _account(world: World, version: int) -> m.Account:
    centre = world.centre
    return m.Account(
        vehicle_id=centre.vehicle_id,
        version=version,
        epoch=1,
        ownership_generation=centre.account.ownership_generation,
        pin_generation=centre.account.pin_generation,
        users=(),
        subscription_active=True,
        evidence=None,
    )
