"""Unlocking, direct and armed, and locking again: one grant acts at most once, and only in its time."""

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.vehicle.reference import Door
from tcu_sim.wire.numbers import Lock, Outcome, Relock, Service, Told
from tests.scenarios.worlds import is_locked, is_unlocked, of_world, open_door, press_plate


async def test_a_right_pin_unlocks(world: World) -> None:
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.EXECUTED, Reason.NONE)
    assert result.locks == dict.fromkeys(range(5), Lock.UNLOCKED)
    assert result.relock is Relock.AGENT
    assert is_unlocked(world)
    assert len(world.unlocks()) == 1


async def test_armed_moves_nothing_until_the_plate_is_pressed(world: World) -> None:
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters(60))
    await world.waiting.event(Told.UNLOCK_ARMED)
    await world.pass_time(50)
    assert world.unlocks() == []
    assert is_locked(world)
    press_plate(world)
    result = await world.operator.result(request_id)
    assert result.outcome is Outcome.EXECUTED
    assert len(world.unlocks()) == 1


async def test_an_armed_unlock_that_nobody_uses_ends_with_its_window(world: World) -> None:
    result = await world.operator.unlock(window_s=60, timeout_s=70)
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, Reason.WINDOW_PASSED)
    assert (await world.waiting.event(Told.UNLOCK_DISARMED)).reason == Reason.WINDOW_PASSED
    press_plate(world)
    await world.pass_time(5)
    assert world.unlocks() == []
    assert is_locked(world)


async def test_a_plate_pressed_before_arming_does_not_count(world: World) -> None:
    press_plate(world)
    await world.pass_time(0.2)
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters(10))
    result = await world.operator.result(request_id)
    assert result.outcome is Outcome.CANCELLED
    assert world.unlocks() == []


async def test_the_car_locks_itself_when_no_door_was_opened_for_two_minutes(world: World) -> None:
    await world.operator.unlock()
    await world.pass_time(118)
    assert world.locks() == []
    relocked = await world.waiting.event(Told.RELOCKED, timeout_s=5)
    assert relocked.reason == Reason.NONE
    assert is_locked(world)
    [unlock], [lock] = world.unlocks(), world.locks()
    assert 119 < lock.at - unlock.at < 122


async def test_an_opened_door_keeps_the_car_unlocked(world: World) -> None:
    await world.operator.unlock()
    await world.pass_time(60)
    open_door(world, Door.REAR_LEFT)
    cancelled = await world.waiting.event(Told.RELOCK_CANCELLED)
    assert cancelled.reason == Reason.DOOR_OPENED
    await world.pass_time(120)
    assert world.locks() == []
    assert is_unlocked(world)


async def test_driving_off_keeps_the_car_unlocked(world: World) -> None:
    await world.operator.unlock()
    world.car.do(lambda now: world.car.person.drive(30, now=now))
    cancelled = await world.waiting.event(Told.RELOCK_CANCELLED)
    assert cancelled.reason in {Reason.DRIVEN, Reason.KEY_USED}
    await world.pass_time(130)
    assert world.locks() == []


async def test_the_key_locks_first_and_no_frame_follows(world: World) -> None:
    await world.operator.unlock()
    await world.pass_time(10)
    world.car.do(lambda now: world.car.person.lock(now=now))
    await world.waiting.event(Told.RELOCKED)
    await world.pass_time(130)
    assert world.locks() == []


async def test_unlocking_an_unlocked_car_sends_nothing_and_starts_the_time_again(
    world: World,
) -> None:
    await world.operator.unlock()
    await world.pass_time(100)
    again = await world.operator.unlock()
    assert (again.outcome, again.reason) == (Outcome.EXECUTED, Reason.ALREADY_UNLOCKED)
    assert len(world.unlocks()) == 1
    await world.pass_time(100)
    assert world.locks() == []
    await world.waiting.event(Told.RELOCKED)
    assert len(world.locks()) == 1


async def test_a_second_grant_meanwhile_gets_busy_and_never_acts(world: World) -> None:
    armed = await world.operator.granted(Service.UNLOCK, unlock_parameters(60))
    await world.waiting.event(Told.UNLOCK_ARMED)
    second = await world.operator.unlock()
    assert (second.outcome, second.reason) == (Outcome.REFUSED, Reason.BUSY)
    press_plate(world)
    assert (await world.operator.result(armed)).outcome is Outcome.EXECUTED
    await world.pass_time(60)
    assert len(world.unlocks()) == 1


async def test_two_grants_in_one_instant_move_the_car_once(world: World) -> None:
    first = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    second = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    for request_id in (first, second):
        world.centre.send(world.centre.grant(request_id))
    assert (await world.operator.result(first)).outcome is Outcome.EXECUTED
    assert (await world.operator.result(second)).reason == Reason.BUSY
    assert len(world.unlocks()) == 1


@of_world(settings={"armed_window_max_s": 120})
async def test_a_window_beyond_the_configuration_is_refused(world: World) -> None:
    reason = await world.operator.refused(Service.UNLOCK, unlock_parameters(121))
    assert reason == Reason.WINDOW_OUT_OF_RANGE
    assert (await world.operator.unlock(window_s=10)).reason == Reason.WINDOW_PASSED


async def test_a_car_in_use_is_not_unlocked(world: World) -> None:
    world.car.do(lambda now: world.car.person.drive(50, now=now))
    await world.pass_time(5)
    result = await world.operator.unlock()
    assert result.outcome is Outcome.REFUSED
    assert result.reason in {Reason.USAGE_MODE, Reason.VEHICLE_MOVING}
    assert world.unlocks() == []
