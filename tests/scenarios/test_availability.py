"""A parked car through its 22 days, on simulated time: five reachable, seventeen in visits, then asleep for good."""

from typing import Final

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Outcome, Presence, Service, Told
from tests.scenarios.worlds import of_world, press

SHORT = {"listen_for_s": 7200.0, "unlock_for_s": 7200.0}
"""Of a car that listens for two hours only: what is shown does not depend on how many days they are."""
SLEEPY = VehicleSettings(sleep_after_s=5.0)
HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
VISIT_S: Final = 120.0
STEP_S: Final = 60.0
CASE = b"case of the test"


def last(world: World) -> m.Availability:
    return world.centre.heard.availabilities[-1]


def is_asleep(world: World) -> bool:
    return last(world).presence is Presence.ASLEEP


async def until_asleep(world: World, *, timeout_s: float = 6 * DAY_S) -> None:
    """Let the days pass in long steps until the car has said that it sleeps."""
    ends_at = world.now() + timeout_s
    while not is_asleep(world):
        assert world.now() < ends_at, "the car does not go to sleep"
        await world.pass_time(STEP_S)


async def until_suspended(world: World) -> None:
    """As `until_asleep`, for a board that has slept and is awake again before anybody looks."""
    while not world.power.suspends:
        await world.pass_time(STEP_S)


@of_world(vehicle=SLEEPY)
async def test_it_is_reachable_for_five_days_and_says_until_when_it_sleeps(world: World) -> None:
    await world.pass_time(5 * DAY_S - 60)
    assert last(world).presence is Presence.ONLINE
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED
    await world.waiting.event(Told.RELOCKED, timeout_s=150)
    await until_asleep(world)
    wall = world.clock.wall()
    asleep_until_s = last(world).asleep_until_s
    assert wall is not None
    assert asleep_until_s is not None
    assert abs(asleep_until_s - wall - HOUR_S) < STEP_S + 10


@of_world(vehicle=SLEEPY, settings=SHORT)
async def test_whoever_unlocks_and_locks_it_starts_its_days_again(world: World) -> None:
    await world.pass_time(1.5 * HOUR_S)
    world.car.do(lambda now: world.car.person.unlock(now=now))
    await world.pass_time(60)
    world.car.do(lambda now: world.car.person.lock(now=now))
    await world.pass_time(1.5 * HOUR_S)
    assert last(world).presence is Presence.ONLINE
    await until_asleep(world)


@of_world(vehicle=SLEEPY, settings=SHORT)
async def test_in_its_visits_it_is_located_but_not_unlocked(world: World) -> None:
    await until_asleep(world)
    # Both wait at the broker until the car comes by.
    unlock = world.centre.send_request(Service.UNLOCK, unlock_parameters())
    locate = world.centre.send_request(Service.POSITION, locate_parameters(), incident_id=CASE)
    await world.pass_time(HOUR_S - VISIT_S)
    assert locate not in world.centre.heard.challenges
    await world.waiting.until(
        "the visit", lambda: locate in world.centre.heard.challenges, timeout_s=2 * VISIT_S
    )
    world.centre.send(world.centre.grant(locate))
    assert (await world.operator.result(locate)).outcome is Outcome.EXECUTED
    refusals = [each for each in world.centre.heard.refusals if each.request_id == unlock]
    assert [each.reason for each in refusals] == [Reason.PARKED_TOO_LONG]
    assert world.unlocks() == []
    await until_asleep(world, timeout_s=2 * VISIT_S)


@of_world(vehicle=SLEEPY, settings=SHORT, suspends=True)
async def test_a_board_that_suspends_is_woken_by_its_rtc_each_hour(world: World) -> None:
    await until_suspended(world)
    connections = len(world.link.connections)
    await world.pass_time(10 * VISIT_S)
    visits = len(world.link.connections) - connections
    assert 8 <= visits <= 10
    assert all(HOUR_S - VISIT_S - 60 < each <= HOUR_S for each in world.power.suspends)
    assert len(world.power.suspends) >= visits


@of_world(vehicle=SLEEPY, suspends=True)
async def test_after_22_days_only_the_car_wakes_it(world: World) -> None:
    await until_suspended(world)
    while world.power.suspends[-1:] != [float("inf")]:
        await world.pass_time(VISIT_S)
    assert world.rtc.next_wake() is None
    assert last(world).asleep_until_s is None
    assert 21.9 < world.now() / DAY_S < 22.1
    press(world, 0.5)
    await world.waiting.event(Told.ON_CALL_PRESSED)
    assert last(world).presence is Presence.ONLINE


@of_world(vehicle=SLEEPY, settings=SHORT, suspends=True)
async def test_what_wakes_the_board_early_makes_it_visit(world: World) -> None:
    world.power.wakes_early_s = 600.0
    await until_suspended(world)
    await world.waiting.until(
        "the visit", lambda: last(world).presence is Presence.ONLINE, timeout_s=STEP_S
    )
    assert world.power.suspends == [600.0]


@of_world(vehicle=SLEEPY, settings=SHORT)
async def test_a_break_in_is_told_by_a_car_that_sleeps(world: World) -> None:
    await until_asleep(world)
    await world.pass_time(600)
    world.car.do(lambda now: world.car.vehicle.bcm.alarm.break_in(now=now))
    world.car.do(world.car.vehicle.bcm.activity)
    await world.waiting.event(Told.ALARM, timeout_s=60)


@of_world(vehicle=SLEEPY, settings=SHORT)
async def test_a_restart_between_visits_is_a_visit(world: World) -> None:
    await until_asleep(world)
    await world.restart_agent()
    await world.waiting.until("a visit", lambda: not is_asleep(world), timeout_s=20)
    reason = await world.operator.refused(Service.UNLOCK, unlock_parameters())
    assert reason == Reason.PARKED_TOO_LONG
    await until_asleep(world, timeout_s=2 * VISIT_S)
