"""Unlocking: what the lock status says is the result, and one grant acts at most once."""

from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Lock, Outcome


async def test_a_right_pin_unlocks(world: World) -> None:
    result = await world.operator.unlock()
    assert result.outcome is Outcome.EXECUTED
    assert set(result.locks.values()) == {Lock.UNLOCKED}
    assert len(world.unlocks()) == 1
