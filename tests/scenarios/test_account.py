"""PIN change, change of owner, end of subscription: what was issued before is dead in the car (row 6, G6)."""

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Outcome, Role, Service, Told
from tcu_sim.wire.parameters import Nothing, User
from tests.scenarios.worlds import press_plate

CASE = b"case of the test"


async def changed(world: World, *, number: int = 2) -> None:
    world.centre.send_account()
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=number)


async def refused_grant(world: World, request_id: bytes) -> int:
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id))
    return await world.waiting.refusal(since=since)


async def test_a_grant_from_before_a_pin_change_is_dead(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.centre.account.pin_generation += 1
    await changed(world)
    assert await refused_grant(world, request_id) == Reason.GENERATION_MISMATCH
    assert world.unlocks() == []
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED


async def test_a_new_owner_starts_without_the_old_ones_users(world: World) -> None:
    await world.operator.change_users(Service.APP_LINK, "old-owner")
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    account = world.centre.account
    account.ownership_generation += 1
    account.pin_generation += 1
    account.users = ()
    await changed(world, number=3)
    assert await refused_grant(world, request_id) == Reason.GENERATION_MISMATCH
    assert world.unlocks() == []


async def test_a_new_owner_cannot_come_with_the_old_ones_users(world: World) -> None:
    await world.operator.change_users(Service.APP_LINK, "old-owner")
    world.centre.account.ownership_generation += 1
    world.centre.account.pin_generation += 1
    since = len(world.centre.heard.refusals)
    world.centre.send_account()
    assert await world.waiting.refusal(since=since) == Reason.CHANGE_NOT_ALLOWED


async def test_generations_never_go_back(world: World) -> None:
    world.centre.account.pin_generation = 3
    await changed(world)
    world.centre.account.pin_generation = 2
    since = len(world.centre.heard.refusals)
    world.centre.send_account()
    assert await world.waiting.refusal(since=since) == Reason.GENERATION_MISMATCH


async def test_an_old_account_message_changes_nothing(world: World) -> None:
    old = world.centre.send_account()
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=2)
    world.centre.account.pin_generation += 1
    await changed(world, number=3)
    since = len(world.centre.heard.refusals)
    world.attack("account", old)
    assert await world.waiting.refusal(since=since) == Reason.STALE_VERSION


async def test_the_end_of_the_subscription_ends_everything(world: World) -> None:
    await world.operator.change_users(Service.APP_LINK, "owner")
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    ended = await world.operator.end_subscription()
    assert ended.outcome is Outcome.EXECUTED
    assert await refused_grant(world, request_id) == Reason.SUBSCRIPTION_ENDED
    for service, parameters in (
        (Service.UNLOCK, unlock_parameters()),
        (Service.POSITION, locate_parameters()),
        (Service.ADD_USER, User(user_id="late")),
        (Service.END_SUBSCRIPTION, Nothing()),
    ):
        assert await world.operator.refused(service, parameters) == Reason.SUBSCRIPTION_ENDED
    assert world.unlocks() == []
    assert world.state.sealings == []


async def test_the_end_of_the_subscription_disarms(world: World) -> None:
    armed = await world.operator.granted(Service.UNLOCK, unlock_parameters(120))
    await world.waiting.event(Told.UNLOCK_ARMED)
    await world.operator.end_subscription()
    assert (await world.operator.result(armed)).outcome is Outcome.CANCELLED
    press_plate(world)
    await world.pass_time(5)
    assert world.unlocks() == []


async def test_the_end_of_the_subscription_stops_tracking(world: World) -> None:
    await world.operator.granted(Service.POSITION, locate_parameters(10, 600), incident_id=CASE)
    await world.waiting.event(Told.TRACKING_STARTED)
    await world.pass_time(15)
    await world.operator.end_subscription()
    ended = await world.waiting.event(Told.TRACKING_ENDED)
    assert ended.reason == Reason.SUBSCRIPTION_ENDED
    count = len(world.state.sealings)
    await world.pass_time(60)
    assert len(world.state.sealings) == count


async def test_a_new_pin_does_not_end_the_tracking_of_a_thief(world: World) -> None:
    await world.operator.granted(Service.POSITION, locate_parameters(10, 60), incident_id=CASE)
    await world.waiting.event(Told.TRACKING_STARTED)
    await world.pass_time(15)
    world.centre.account.pin_generation += 1
    await changed(world)
    await world.waiting.event(Told.TRACKING_ENDED, timeout_s=60)
    assert len(world.state.sealings) >= 6


async def test_a_change_survives_a_restart(world: World) -> None:
    await world.operator.end_subscription()
    await world.power_cut()
    await world.waiting.until("online again", lambda: len(world.link.connections) > 1)
    reason = await world.operator.refused(Service.UNLOCK, unlock_parameters())
    assert reason == Reason.SUBSCRIPTION_ENDED


async def test_a_stolen_account_key_alone_adds_no_user(world: World) -> None:
    world.centre.account.users = ("burglar",)
    since = len(world.centre.heard.refusals)
    world.centre.send_account()
    assert await world.waiting.refusal(since=since) == Reason.EVIDENCE_MISSING
    world.centre.account.subscription_active = False
    world.centre.account.users = ()
    world.centre.send_account()
    assert await world.waiting.refusal(since=since + 1) == Reason.EVIDENCE_MISSING


@pytest.mark.parametrize("service", [Service.APP_LINK, Service.ADD_USER])
async def test_exactly_the_user_that_was_asked_for_is_added(world: World, service: Service) -> None:
    request_id = await world.operator.challenged(service, User(user_id="anna"))
    world.centre.account.users = ("anna", "burglar")
    since = len(world.centre.heard.refusals)
    world.centre.send_account(world.centre.evidence(request_id))
    assert await world.waiting.refusal(since=since) == Reason.CHANGE_NOT_ALLOWED
    world.centre.account.users = ("anna",)
    world.centre.send_account(world.centre.evidence(request_id))
    assert (await world.operator.result(request_id)).outcome is Outcome.EXECUTED


async def test_an_ended_subscription_comes_back_only_with_a_new_pin(world: World) -> None:
    await world.operator.end_subscription()
    world.centre.account.subscription_active = True
    since = len(world.centre.heard.refusals)
    world.centre.send_account()
    assert await world.waiting.refusal(since=since) == Reason.CHANGE_NOT_ALLOWED
    world.centre.account.pin_generation += 1
    world.centre.send_account()
    await world.waiting.event(Told.ACCOUNT_CHANGED, number=3)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED


async def test_a_revoked_command_key_is_dead(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = world.centre.grant(request_id)
    world.centre.trust_version += 1
    world.centre.revoked = (world.centre.keys[Role.COMMAND].public.kid,)
    world.centre.send_trust()
    await world.waiting.event(Told.TRUST_CHANGED, number=2)
    since = len(world.centre.heard.refusals)
    world.centre.send(grant)
    assert await world.waiting.refusal(since=since) == Reason.KEY_REVOKED
    assert world.unlocks() == []


async def test_one_root_signature_is_not_enough(world: World) -> None:
    world.centre.trust_version += 1
    stranger = world.centre.keys[Role.ACCOUNT]
    since = len(world.centre.heard.refusals)
    world.centre.send_trust(signers=[world.centre.roots[0], stranger])
    assert await world.waiting.refusal(since=since) == Reason.THRESHOLD_NOT_MET
