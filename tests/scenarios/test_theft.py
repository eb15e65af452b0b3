"""A break-in is told after its delay unless the key ends it; a towed car keeps it to itself until a theft case."""

from tcu_sim.bench.world import World
from tcu_sim.vehicle.motion import START, Position
from tcu_sim.vehicle.reference import Door
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire.numbers import Told
from tests.scenarios.worlds import AWAKE, of_world

NOTICE_S = 30.0
SLEEPY = VehicleSettings(sleep_after_s=5.0)
COLD = VehicleSettings(sleep_after_s=3600.0, lock_travel_s=(1.3, 2.9))
"""Motors that move for longer than a lock status may be unknown: a second."""
CASE = b"case of the test"


async def break_in(world: World) -> None:
    """Force a door, and wait for the siren."""
    world.car.do(lambda now: world.car.person.open_door(Door.FRONT_LEFT, by_force=True, now=now))
    await world.waiting.until(
        "the siren", lambda: world.car.vehicle.bcm.alarm.state.value == "Triggered"
    )


async def test_a_break_in_is_told_after_the_delay(world: World) -> None:
    await break_in(world)
    await world.pass_time(NOTICE_S - 1)
    assert world.waiting.events(Told.ALARM) == []
    await world.pass_time(2)
    assert len(world.waiting.events(Told.ALARM)) == 1


async def test_the_owner_with_the_key_ends_it(world: World) -> None:
    await break_in(world)
    await world.pass_time(NOTICE_S - 2)
    world.car.do(lambda now: world.car.person.unlock(now=now))
    await world.pass_time(120)
    assert world.waiting.events(Told.ALARM) == []


@of_world(vehicle=COLD)
async def test_the_owner_with_the_key_and_cold_motors_ends_it_too(world: World) -> None:
    # So that it is the key that has locked it: else the source alone would tell of the key.
    world.car.do(lambda now: world.car.person.unlock(now=now))
    await world.pass_time(10)
    world.car.do(lambda now: world.car.person.lock(now=now))
    await world.pass_time(10)
    await break_in(world)
    await world.pass_time(5)
    world.car.do(lambda now: world.car.person.unlock(now=now))
    await world.pass_time(120)
    assert world.waiting.events(Told.ALARM) == []


@of_world(vehicle=SLEEPY)
async def test_a_break_in_wakes_the_bus_and_is_told_though_the_car_sleeps_again(
    world: World,
) -> None:
    await world.waiting.until("sleep", lambda: world.car.vehicle.is_asleep, timeout_s=60)
    await world.pass_time(60)
    await break_in(world)
    await world.waiting.event(Told.ALARM, timeout_s=NOTICE_S + 5)


async def test_an_alarm_that_nobody_could_answer_before_a_power_cut_is_told_after_it(
    world: World,
) -> None:
    await break_in(world)
    await world.pass_time(5)
    await world.power_cut(off_s=600)
    await world.waiting.event(Told.ALARM, timeout_s=10)


@of_world(vehicle=AWAKE)
async def test_a_towed_car_tells_it_to_the_theft_case_alone(world: World) -> None:
    await world.pass_time(5)
    before = len(world.centre.heard.events)
    elsewhere = Position(START.latitude_deg + 0.02, START.longitude_deg)
    world.car.do(lambda _: world.car.vehicle.motion.place(elsewhere))
    await world.pass_time(600)
    assert len(world.centre.heard.events) == before
    await world.operator.locate(case_id=CASE)
    towed = await world.waiting.event(Told.TOWED)
    assert towed.incident_id == CASE
    (value,) = towed.values.values()
    assert isinstance(value, int)
    assert towed.wall_time_ms / 1000 - value > 500
