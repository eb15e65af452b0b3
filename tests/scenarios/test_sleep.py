"""A parked car's bus sleeps: the TCU wakes it, judges by fresh signals, and `asleep` is not `stale`."""

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import locate_parameters
from tcu_sim.bench.world import World
from tcu_sim.vehicle.e2e import E2eFault
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire.numbers import Outcome, Quality, Service, Told
from tcu_sim.wire.parameters import Nothing
from tests.scenarios.worlds import is_locked, lamp, of_world, press

SLEEPY = VehicleSettings(sleep_after_s=5.0)
CASE = b"case of the test"


async def asleep(world: World) -> None:
    await world.waiting.until("sleep", lambda: world.car.vehicle.is_asleep, timeout_s=60)
    await world.pass_time(10)


@of_world(vehicle=SLEEPY)
async def test_the_tcu_lets_the_bus_sleep(world: World) -> None:
    await asleep(world)
    sent, events = len(world.bus.sent), len(world.centre.heard.events)
    await world.pass_time(3600)
    assert len(world.bus.sent) == sent
    assert len(world.centre.heard.events) - events <= 1


@of_world(vehicle=SLEEPY)
async def test_an_unlock_wakes_the_bus_and_is_judged_by_fresh_signals(world: World) -> None:
    await asleep(world)
    result = await world.operator.unlock()
    assert result.outcome is Outcome.EXECUTED
    assert len(world.unlocks()) == 1


@of_world(vehicle=SLEEPY)
async def test_the_relock_wakes_the_bus_too(world: World) -> None:
    await asleep(world)
    await world.operator.unlock()
    await world.waiting.event(Told.RELOCKED, timeout_s=150)
    assert is_locked(world)


@of_world(vehicle=SLEEPY)
async def test_a_position_wakes_the_bus(world: World) -> None:
    await asleep(world)
    result = await world.operator.locate(case_id=CASE)
    assert result.outcome is Outcome.EXECUTED
    assert world.centre.fixes(CASE)[0].quality is Quality.FIX_3D


@of_world(vehicle=SLEEPY)
async def test_a_press_wakes_the_bus_and_calls(world: World) -> None:
    await asleep(world)
    press(world, 0.5)
    await world.answer_call()
    await world.waiting.until("the lamp", lambda: lamp(world) == "On")


@of_world(vehicle=SLEEPY)
async def test_a_sleeping_car_tells_that_it_does_not_know(world: World) -> None:
    await asleep(world)
    world.centre.send_request(Service.STATE, Nothing())
    report = await world.waiting.event(Told.STATE_REPORT)
    assert set(report.values.values()) <= {None, True, False, "off", "armed", "abandoned"}


async def test_a_bus_that_does_not_wake_is_signals_unknown(world: World) -> None:
    await world.car.stop()
    await world.pass_time(10)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)
    assert world.unlocks() == []


async def test_a_silent_speed_is_signals_unknown(world: World) -> None:
    world.car.vehicle.stability.transmitter.stop_cycle("VehicleMotion")
    await world.pass_time(5)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)
    assert world.unlocks() == []


async def test_a_silent_usage_mode_is_signals_unknown(world: World) -> None:
    world.car.vehicle.bcm.transmitter.stop_cycle("UsageMode")
    await world.pass_time(5)
    result = await world.operator.unlock()
    assert (result.outcome, result.reason) == (Outcome.REFUSED, Reason.SIGNALS_UNKNOWN)


async def test_a_spoiled_lock_status_is_a_security_event_and_no_truth(world: World) -> None:
    world.car.vehicle.bcm.e2e["DoorLockStatus"].fault = E2eFault.WRONG_CRC
    await world.pass_time(5)
    security = await world.waiting.event(Told.SECURITY)
    assert security.reason == Reason.E2E_FAILED
    result = await world.operator.unlock()
    assert result.outcome is not Outcome.EXECUTED


async def test_stale_locks_are_unknown_and_never_the_last_value(world: World) -> None:
    world.car.vehicle.bcm.transmitter.stop_cycle("DoorLockStatus")
    await world.pass_time(5)
    world.centre.send_request(Service.STATE, Nothing())
    report = await world.waiting.event(Told.STATE_REPORT)
    locks = [v for path, v in report.values.items() if path.endswith("IsLocked")]
    assert locks == [None] * 5


async def test_an_offline_bus_is_told_and_comes_back(world: World) -> None:
    world.port.lose()
    await world.pass_time(10)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED


@of_world(vehicle=SLEEPY)
async def test_a_tracking_takes_positions_of_a_sleeping_car(world: World) -> None:
    await asleep(world)
    await world.operator.granted(Service.POSITION, locate_parameters(60, 200), incident_id=CASE)
    await world.waiting.event(Told.TRACKING_ENDED, timeout_s=220)
    fixes = world.centre.fixes(CASE)
    assert len(fixes) in {3, 4}
    assert {fix.quality for fix in fixes} == {Quality.FIX_3D}
