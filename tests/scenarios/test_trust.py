"""The trust bundle in the life of a car: rotation with overlap, revocation on receipt, never backwards."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.light_centre import seeded_key
from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.numbers import Outcome, Role, Service, Told
from tcu_sim.wire.sealing import label_of, unseal
from tests.scenarios.roots import (
    challenged,
    refused,
    refused_grant,
    roots_of,
    sealing_key,
    state_of,
)
from tests.scenarios.worlds import press_plate

CASE = b"case of the test"


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
    roots, next_seal = await roots_of(world), sealing_key("next")
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
        "two more positions", lambda: len(set(world.centre.heard.positions) - seen) >= 2
    )
    latest = world.centre.heard.positions[max(world.centre.heard.positions)]
    assert latest.sealed is not None
    label = label_of(latest, world.centre.environment)
    assert unseal(latest.sealed, label, next_seal).wall_time_ms > 0
    with pytest.raises(WireError):
        unseal(latest.sealed, label, world.centre.desk_private)
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=90)
    assert (ended.reason, ended.request_id) == (Reason.STOP_TIME, request_id)


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
    new = roots.add("next", Role.THEFT_DESK, seal=sealing_key("next"))
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
