"""What only the root keys' holders can do: begin a new epoch, and make way for other roots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.light_centre import seeded_key
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Outcome, Role, Service, Told
from tests.scenarios.roots import (
    refused,
    roots_of,
    state_of,
)
from tests.scenarios.worlds import press

HUGE = 2**53 - 1
"""The highest version that the grammar allows."""


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
