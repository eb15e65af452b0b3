"""A lock that opens without grant, key or inside button is told, whatever was unknown meanwhile."""

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.world import World
from tcu_sim.vehicle.reference import LockPosition, LockSource
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire.numbers import Outcome, Told
from tests.scenarios.worlds import AWAKE, is_unlocked, of_world

COLD = VehicleSettings(sleep_after_s=3600.0, lock_travel_s=(1.3, 2.9))
"""Motors that move for longer than a lock status may be unknown: a second."""
SLEEPY = VehicleSettings(sleep_after_s=5.0)
TOLD_WITHIN_S = 5.0


def unlock_by(world: World, source: LockSource) -> None:
    """Let the motors run, and the lock status say that it was `source`."""

    def run(now: float) -> None:
        world.car.vehicle.bcm.activity(now)
        world.car.vehicle.body.drive_locks(LockPosition.UNLOCKED, source, now=now)

    world.car.do(run)


async def told(world: World) -> set[int]:
    """Let the locks arrive and be told; return the reasons of all security events."""
    await world.waiting.until("unlocked", lambda: is_unlocked(world))
    await world.pass_time(TOLD_WITHIN_S)
    return {event.reason for event in world.waiting.events(Told.SECURITY)}


@of_world(vehicle=AWAKE)
async def test_by_nobody(world: World) -> None:
    await world.pass_time(5)
    unlock_by(world, LockSource.NONE)
    assert await told(world) == {Reason.UNEXPECTED_UNLOCK}


@of_world(vehicle=COLD)
async def test_by_nobody_with_cold_motors(world: World) -> None:
    await world.pass_time(5)
    unlock_by(world, LockSource.NONE)
    assert await told(world) == {Reason.UNEXPECTED_UNLOCK}


@of_world(vehicle=COLD)
async def test_by_the_car_itself_with_cold_motors(world: World) -> None:
    await world.pass_time(5)
    unlock_by(world, LockSource.AUTOMATIC)
    assert await told(world) == {Reason.UNEXPECTED_UNLOCK}


@of_world(vehicle=SLEEPY)
async def test_by_nobody_while_the_bus_sleeps(world: World) -> None:
    await world.waiting.until("sleep", lambda: world.car.vehicle.is_asleep, timeout_s=60)
    await world.pass_time(3600)
    unlock_by(world, LockSource.NONE)
    assert await told(world) == {Reason.UNEXPECTED_UNLOCK}


@of_world(vehicle=AWAKE)
async def test_by_nobody_while_the_link_was_down(world: World) -> None:
    await world.pass_time(5)
    world.port.lose()
    unlock_by(world, LockSource.NONE)
    assert await told(world) == {Reason.UNEXPECTED_UNLOCK}


@of_world(vehicle=AWAKE)
async def test_with_the_key_while_the_link_was_down(world: World) -> None:
    await world.pass_time(5)
    world.port.lose()
    world.car.do(lambda now: world.car.person.unlock(now=now))
    assert await told(world) == set()


@of_world(vehicle=COLD)
async def test_with_the_key_and_cold_motors(world: World) -> None:
    await world.pass_time(5)
    world.car.do(lambda now: world.car.person.unlock(now=now))
    assert await told(world) == set()


@of_world(vehicle=COLD)
async def test_with_a_grant_and_cold_motors(world: World) -> None:
    await world.pass_time(5)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    assert await told(world) == set()


@of_world(vehicle=SLEEPY)
async def test_by_nobody_at_night_after_a_grant_and_the_key(world: World) -> None:
    await world.pass_time(3)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    await world.pass_time(12)
    world.car.do(lambda now: world.car.person.lock(now=now))
    await world.waiting.until("sleep", lambda: world.car.vehicle.is_asleep, timeout_s=120)
    await world.pass_time(8 * 3600)
    unlock_by(world, LockSource.NONE)
    assert await told(world) == {Reason.UNEXPECTED_UNLOCK}
