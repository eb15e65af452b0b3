"""Clocks: freshness counts suspend, and no clock that somebody outside can move counts for anything (row 4, G3)."""

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Outcome, Service, Told
from tests.scenarios.worlds import is_locked, press_plate

YEAR_S = 365.25 * 86_400.0


def move_wall_clock(world: World, by_s: float) -> None:
    wall_s = world.clock.wall()
    assert wall_s is not None
    world.clock.set_wall(wall_s + by_s)


@pytest.mark.parametrize("jump_s", [-10 * YEAR_S, -60.0, 60.0, 10 * YEAR_S])
async def test_a_moved_wall_clock_makes_no_grant_fresh_or_stale(
    world: World, jump_s: float
) -> None:
    late = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    await world.pass_time(31)
    move_wall_clock(world, jump_s)
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(late))
    assert await world.waiting.refusal(since=since) == Reason.CHALLENGE_EXPIRED
    in_time = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    move_wall_clock(world, jump_s)
    world.centre.send(world.centre.grant(in_time))
    assert (await world.operator.result(in_time)).outcome is Outcome.EXECUTED


async def test_without_a_wall_clock_an_unlock_works(world: World) -> None:
    world.clock.set_wall(None)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED


async def test_a_challenge_grows_old_while_the_board_sleeps(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.suspend(31)
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id))
    assert await world.waiting.refusal(since=since) == Reason.CHALLENGE_EXPIRED
    assert world.unlocks() == []


async def test_the_plate_window_passes_while_the_board_sleeps(world: World) -> None:
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters(60))
    await world.waiting.event(Told.UNLOCK_ARMED)
    world.suspend(61)
    press_plate(world)
    result = await world.operator.result(request_id)
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, Reason.WINDOW_PASSED)
    await world.pass_time(5)
    assert world.unlocks() == []
    assert is_locked(world)


async def test_the_relock_is_not_forgotten_in_a_sleep(world: World) -> None:
    await world.operator.unlock()
    world.suspend(600)
    await world.waiting.event(Told.RELOCKED, timeout_s=15)
    assert is_locked(world)


async def test_a_pin_check_too_long_ago_is_refused(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    since = len(world.centre.heard.refusals)
    evidence = world.centre.evidence(request_id, pin_age_s=601)
    world.centre.send(world.centre.grant(request_id, evidence=evidence))
    assert await world.waiting.refusal(since=since) == Reason.PIN_TOO_OLD
    assert world.unlocks() == []
