"""What the operator sees is what the lock status said, or `unknown`; never that a frame was sent (G4)."""

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.world import World
from tcu_sim.vehicle.body import Jam
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.vehicle.reference import Door
from tcu_sim.wire.numbers import Lock, Outcome
from tests.scenarios.worlds import behave, is_locked, is_unlocked


@pytest.mark.parametrize("door", list(Door))
async def test_a_jammed_door_is_a_failure_that_names_it(world: World, door: Door) -> None:
    world.car.vehicle.body.motors[door].jam = Jam.HOLDS
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.DOORS_STILL_LOCKED)
    number = list(Door).index(door)
    assert result.locks == {n: Lock.LOCKED if n == number else Lock.UNLOCKED for n in range(5)}
    await world.pass_time(10)
    assert len(world.unlocks()) == 1


async def test_a_bolt_stuck_halfway_is_not_called_unlocked(world: World) -> None:
    world.car.vehicle.body.motors[Door.REAR_RIGHT].jam = Jam.HALFWAY
    result = await world.operator.unlock()
    assert result.outcome in {Outcome.UNKNOWN, Outcome.FAILED}
    assert result.locks[3] is not Lock.UNLOCKED


async def test_a_car_that_refuses_is_told_as_refused(world: World) -> None:
    behave(world, Behaviour.REFUSE)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.REFUSED, Reason.VEHICLE_REFUSED)
    assert is_locked(world)


async def test_a_late_car_is_waited_for(world: World) -> None:
    behave(world, Behaviour.LATE, late_s=3.0)
    result = await world.operator.unlock()
    assert result.outcome is Outcome.EXECUTED


async def test_a_car_later_than_the_patience_was_seen_locked(world: World) -> None:
    behave(world, Behaviour.LATE, late_s=8.0)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.DOORS_STILL_LOCKED)
    await world.pass_time(10)
    assert len(world.unlocks()) == 1
    assert is_unlocked(world)
    assert len(world.centre.heard.results) == 1


async def test_a_car_that_never_answers_was_seen_locked(world: World) -> None:
    behave(world, Behaviour.NEVER)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.DOORS_STILL_LOCKED)
    await world.pass_time(60)
    assert len(world.unlocks()) == 1


async def test_a_status_that_falls_silent_is_unknown_and_never_tried_again(world: World) -> None:
    world.car.vehicle.bcm.transmitter.stop_cycle("DoorLockStatus")
    behave(world, Behaviour.NEVER)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, Reason.NO_STATUS)
    assert set(result.locks.values()) == {Lock.UNKNOWN}
    await world.pass_time(60)
    assert len(world.unlocks()) == 1


async def test_done_without_a_moved_lock_is_not_believed(world: World) -> None:
    behave(world, Behaviour.BOAST)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.DOORS_STILL_LOCKED)


async def test_a_silent_car_that_unlocks_is_believed_by_its_locks(world: World) -> None:
    behave(world, Behaviour.SILENT)
    result = await world.operator.unlock()
    assert result.outcome is Outcome.EXECUTED
    assert is_unlocked(world)


async def test_a_lock_status_that_lies_is_repeated_as_it_is(world: World) -> None:
    """Nobody at the TCU can see more than the status says; what it says is what is told."""
    behave(world, Behaviour.LIE)
    result = await world.operator.unlock()
    assert result.outcome is Outcome.EXECUTED
    assert is_locked(world)


async def test_a_frame_that_was_not_taken_is_a_failure(world: World) -> None:
    world.port.is_full = True
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.TRANSMIT_FAILED)
    assert world.unlocks() == []
    world.port.is_full = False
    await world.pass_time(60)
    assert world.unlocks() == []


async def test_a_frame_that_may_be_out_is_judged_by_the_locks(world: World) -> None:
    world.port.failing_sends, world.port.send_may_have_happened = 1, True
    result = await world.operator.unlock()
    assert result.outcome is Outcome.EXECUTED
    assert len(world.unlocks()) == 1
