"""A disk that hangs between decision and deed stretches nobody's time: what is late is not done, and is told (G3)."""

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Outcome, Service, Told
from tests.scenarios.worlds import is_locked

CASE = b"case of the test"

TTL_S = 30.0
"""`CoreSettings.challenge_ttl_s` as it is by default."""


def let_hang(world: World, number: int, takes_s: float) -> list[tuple[str, ...]]:
    """Let the `number`-th commit from now on take so long; return a list that will hold its keys."""
    seen: list[int] = []
    hung: list[tuple[str, ...]] = []

    def during(keys: tuple[str, ...], _: object) -> None:
        seen.append(number)
        if len(seen) == number:
            hung.append(keys)
            world.suspend(takes_s)

    world.state.during_commit = during
    return hung


@pytest.mark.parametrize("number", range(1, 5))
async def test_a_disk_that_hangs_at_any_write_of_an_unlock(world: World, number: int) -> None:
    """The intent, the freshness value of the frame, the outcome. The oracle knows each frame's time."""
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    hung = let_hang(world, number, TTL_S + 1)
    world.centre.send(world.centre.grant(request_id))
    result = await world.operator.result(request_id)
    assert hung
    if number <= 2:
        assert result.outcome in {Outcome.REFUSED, Outcome.FAILED}
        assert result.reason in {Reason.CHALLENGE_EXPIRED, Reason.SIGNALS_UNKNOWN, Reason.TOO_LATE}
        assert world.unlocks() == []
        assert is_locked(world)
    else:
        # The frame was out by then; a lock status that nobody read in its time decides nothing.
        assert result.outcome in {Outcome.EXECUTED, Outcome.UNKNOWN}
        assert len(world.unlocks()) == 1


async def test_the_freshness_value_of_the_frame_is_what_hangs_last(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    hung = let_hang(world, 2, TTL_S + 1)
    world.centre.send(world.centre.grant(request_id))
    result = await world.operator.result(request_id)
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.TOO_LATE)
    assert ["secoc" in key for keys in hung for key in keys] == [True]


@pytest.mark.parametrize("number", range(1, 7))
async def test_a_disk_that_hangs_at_any_write_of_a_tracking(world: World, number: int) -> None:
    """The oracle knows when each position was sealed, and until when it might be."""
    request_id = await world.operator.challenged(
        Service.POSITION, locate_parameters(interval_s=10, duration_s=60), incident_id=CASE
    )
    hung = let_hang(world, number, 100.0)
    world.centre.send(world.centre.grant(request_id))
    await world.waiting.event(Told.TRACKING_ENDED, timeout_s=200)
    assert hung
    assert len(world.centre.fixes(CASE)) <= 7
