"""The power fails between any two steps: nothing happens twice, nothing is claimed that nobody saw (G2, G3)."""

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.fuse import Point
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Outcome, Service, Told
from tests.scenarios.worlds import is_locked, is_unlocked, open_door, press_plate


async def granted_and_cut(world: World, point: Point, number: int = 1) -> bytes:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.fuse.blow_at(point, number=number)
    world.centre.send(world.centre.grant(request_id))
    await world.fuse_blown()
    return request_id


async def test_cut_before_the_intent_is_durable_nothing_is_known_and_nothing_moves(
    world: World,
) -> None:
    request_id = await granted_and_cut(world, Point.BEFORE_COMMIT)
    await world.power_up()
    await world.pass_time(30)
    assert world.unlocks() == []
    assert request_id not in {r.request_id for r in world.centre.heard.answers}


async def test_cut_after_the_intent_is_unknown_and_never_tried_again(world: World) -> None:
    request_id = await granted_and_cut(world, Point.AFTER_COMMIT)
    await world.power_up()
    result = await world.operator.result(request_id)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, Reason.RESTARTED)
    await world.pass_time(130)
    assert world.unlocks() == []
    assert is_locked(world)


async def test_cut_before_the_frame_is_unknown(world: World) -> None:
    request_id = await granted_and_cut(world, Point.BEFORE_COMMAND)
    await world.power_up()
    assert (await world.operator.result(request_id)).outcome is Outcome.UNKNOWN
    assert world.unlocks() == []


async def test_cut_after_the_frame_is_unknown_and_not_sent_again(world: World) -> None:
    request_id = await granted_and_cut(world, Point.AFTER_COMMAND)
    await world.power_up()
    result = await world.operator.result(request_id)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, Reason.RESTARTED)
    assert len(world.unlocks()) == 1
    assert is_unlocked(world)


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("point", [Point.BEFORE_COMMIT, Point.AFTER_COMMIT])
async def test_cut_at_any_commit_and_the_grant_sent_again(
    world: World, point: Point, number: int
) -> None:
    """Whatever the step, the repeated grant moves nothing more, and the results never contradict."""
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.fuse.blow_at(point, number=number)
    data = world.centre.send(world.centre.grant(request_id))
    await world.pass_time(8)
    if world.agent.lost_power():
        await world.power_up()
    world.carrier.deliver("grant", data)
    await world.pass_time(8)
    assert len(world.unlocks()) <= 1
    outcomes = {r.outcome for r in world.centre.heard.answers if r.request_id == request_id}
    assert len(outcomes) <= 1


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("point", [Point.BEFORE_PUBLISH, Point.AFTER_PUBLISH])
async def test_cut_at_any_message_loses_no_result(world: World, point: Point, number: int) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.fuse.blow_at(point, number=number)
    world.centre.send(world.centre.grant(request_id))
    await world.pass_time(5)
    if world.agent.lost_power():
        await world.power_up()
    result = await world.operator.result(request_id)
    assert result.outcome in {Outcome.EXECUTED, Outcome.UNKNOWN}
    assert len(world.unlocks()) == 1
    seqs = sorted(seq for _, seq in (*world.centre.heard.results, *world.centre.heard.events))
    assert seqs == list(range(1, len(seqs) + 1))


async def test_cut_while_armed_is_cancelled_and_the_plate_is_dead(world: World) -> None:
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters(120))
    await world.waiting.event(Told.UNLOCK_ARMED)
    await world.power_cut()
    result = await world.operator.result(request_id)
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, Reason.RESTARTED)
    press_plate(world)
    await world.pass_time(10)
    assert world.unlocks() == []
    assert is_locked(world)


async def test_cut_while_the_relock_counts_locks_all_the_same(world: World) -> None:
    await world.operator.unlock()
    await world.pass_time(30)
    await world.power_cut()
    await world.waiting.event(Told.RELOCKED, timeout_s=130)
    assert is_locked(world)
    assert len(world.locks()) == 1


async def test_cut_while_the_relock_counts_and_a_door_was_opened_meanwhile(world: World) -> None:
    await world.operator.unlock()
    await world.pass_time(30)
    await world.agent.kill()
    open_door(world)
    await world.power_up()
    await world.pass_time(140)
    assert world.locks() == []
    assert is_unlocked(world)


@pytest.mark.parametrize("point", [Point.BEFORE_COMMAND, Point.AFTER_COMMAND])
async def test_cut_at_the_relock_frame_sends_it_at_most_once(world: World, point: Point) -> None:
    await world.operator.unlock()
    world.fuse.blow_at(point)
    await world.fuse_blown(timeout_s=130)
    await world.power_up()
    await world.pass_time(60)
    assert len(world.locks()) == (0 if point is Point.BEFORE_COMMAND else 1)
    told = [*world.waiting.events(Told.RELOCKED), *world.waiting.events(Told.RELOCK_FAILED)]
    assert len(told) == 1


async def test_a_challenge_does_not_survive_a_restart(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    await world.restart_agent()
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id))
    assert await world.waiting.refusal(since=since) == Reason.BOOT_ID_MISMATCH
    assert world.unlocks() == []


async def test_a_full_disk_moves_nothing(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.state.failing_commits = 3
    world.centre.send(world.centre.grant(request_id))
    await world.pass_time(30)
    assert world.unlocks() == []
    assert is_locked(world)


async def test_a_clean_restart_keeps_all_numbers(world: World) -> None:
    await world.operator.unlock()
    for _ in range(3):
        await world.restart_agent()
        await world.pass_time(2)
    seqs = sorted(seq for _, seq in (*world.centre.heard.results, *world.centre.heard.events))
    assert seqs == list(range(1, len(seqs) + 1))
    assert len({stream for stream, _ in world.centre.heard.events}) == 1
