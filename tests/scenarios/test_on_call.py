"""The ON CALL button: what is a press, what becomes of the call, and that nothing silences it."""

from dataclasses import replace

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Call, Told
from tests.scenarios.worlds import AWAKE, hold, lamp, of_world, press


async def test_a_press_becomes_a_connected_call(world: World) -> None:
    press(world, 0.3)
    opened = await world.waiting.event(Told.ON_CALL_PRESSED)
    assert lamp(world) == "Pulsing"
    world.centre.send_call(opened, Call.RINGING)
    world.centre.send_call(opened, Call.CONNECTED)
    await world.waiting.until("the lamp", lambda: lamp(world) == "On")
    world.centre.send_call(opened, Call.ENDED)
    await world.waiting.until("the lamp", lambda: lamp(world) == "Off")


@pytest.mark.parametrize(("for_s", "presses"), [(0.05, 0), (0.09, 0), (0.2, 1), (9.0, 1)])
async def test_a_press_is_one_of_100_ms(world: World, for_s: float, presses: int) -> None:
    press(world, for_s)
    await world.pass_time(12)
    assert len(world.waiting.events(Told.ON_CALL_PRESSED)) == presses
    assert world.waiting.events(Told.BUTTON_FAULT) == []


async def test_a_bouncing_contact_is_one_press(world: World) -> None:
    press(world, 0.4, bounces=5)
    await world.pass_time(3)
    assert len(world.waiting.events(Told.ON_CALL_PRESSED)) == 1


async def test_contact_chatter_is_no_press(world: World) -> None:
    for _ in range(10):
        press(world, 0.06)
        await world.pass_time(0.12)
    assert world.waiting.events(Told.ON_CALL_PRESSED) == []


async def test_a_stuck_button_is_a_fault_and_the_call_stays(world: World) -> None:
    hold(world)
    await world.answer_call()
    fault = await world.waiting.event(Told.BUTTON_FAULT)
    assert fault.reason == Reason.STUCK_BUTTON
    assert lamp(world) == "On"
    hold(world, "Released")
    await world.pass_time(2)
    assert lamp(world) == "On"
    assert len(world.waiting.events(Told.BUTTON_FAULT)) == 1


async def test_released_and_pressed_for_two_seconds_hangs_up(world: World) -> None:
    press(world, 0.3)
    opened = await world.answer_call()
    await world.waiting.until("the lamp", lambda: lamp(world) == "On")
    press(world, 1.8)
    await world.pass_time(3)
    assert world.waiting.events(Told.HANG_UP) == []
    press(world, 2.2)
    hang_up = await world.waiting.event(Told.HANG_UP)
    assert hang_up.incident_id == opened.incident_id
    assert len(world.waiting.events(Told.ON_CALL_PRESSED)) == 1


async def test_the_press_that_calls_does_not_hang_up(world: World) -> None:
    press(world, 5.0)
    await world.answer_call()
    await world.pass_time(6)
    assert world.waiting.events(Told.HANG_UP) == []
    assert lamp(world) == "On"


@of_world(vehicle=AWAKE)
async def test_no_connection_in_time_is_shown_and_told(world: World) -> None:
    press(world, 0.3)
    await world.waiting.event(Told.ON_CALL_PRESSED)
    await world.waiting.until("the error lamp", lambda: lamp(world) == "Error", timeout_s=61)
    failed = [e for e in world.waiting.events(Told.CALL_STATE) if e.reason]
    assert [e.reason for e in failed] == [Reason.NOT_CONNECTED_IN_TIME]
    await world.waiting.until("the lamp off again", lambda: lamp(world) == "Off")
    press(world, 0.3)
    await world.waiting.event(Told.ON_CALL_PRESSED, number=2)


@of_world(vehicle=AWAKE)
async def test_a_press_while_offline_gets_through_later(world: World) -> None:
    world.broker.is_reachable = False
    world.broker.cut()
    press(world, 0.3)
    await world.waiting.until("the lamp", lambda: lamp(world) == "Pulsing")
    await world.pass_time(20)
    world.broker.is_reachable = True
    await world.answer_call()
    await world.waiting.until("the lamp", lambda: lamp(world) == "On")


async def test_a_press_survives_a_power_cut(world: World) -> None:
    press(world, 0.3)
    opened = await world.waiting.event(Told.ON_CALL_PRESSED)
    await world.power_cut(off_s=5)
    await world.waiting.until("the lamp again", lambda: lamp(world) == "Pulsing")
    presses = world.waiting.events(Told.ON_CALL_PRESSED)
    assert {event.incident_id for event in presses} == {opened.incident_id}


async def test_a_button_that_is_pressed_at_the_start_is_no_press(world: World) -> None:
    await world.agent.stop()
    hold(world)
    await world.pass_time(1)
    await world.agent.start()
    await world.pass_time(30)
    assert world.waiting.events(Told.ON_CALL_PRESSED) == []
    hold(world, "Released")
    await world.pass_time(1)
    press(world, 0.3)
    await world.waiting.event(Told.ON_CALL_PRESSED)


async def test_a_press_after_a_silent_button_is_seen_only_after_a_release(world: World) -> None:
    world.car.vehicle.on_call.transmitter.stop_cycle("OnCallButton")
    await world.pass_time(2)
    hold(world)  # the change itself is a frame; the state before it is unknown
    await world.pass_time(2)
    assert world.waiting.events(Told.ON_CALL_PRESSED) == []


async def test_a_broken_button_is_no_press(world: World) -> None:
    hold(world, "Fault")
    await world.pass_time(5)
    assert world.waiting.events(Told.ON_CALL_PRESSED) == []


async def test_a_second_press_while_calling_opens_nothing_new(world: World) -> None:
    press(world, 0.3)
    await world.waiting.event(Told.ON_CALL_PRESSED)
    await world.pass_time(1)
    press(world, 0.3)
    await world.pass_time(2)
    assert len(world.waiting.events(Told.ON_CALL_PRESSED)) == 1


async def test_call_control_for_another_incident_is_refused(world: World) -> None:
    press(world, 0.3)
    opened = await world.waiting.event(Told.ON_CALL_PRESSED)
    since = len(world.centre.heard.refusals)
    world.centre.send_call(replace(opened, incident_id=bytes(16)), Call.ENDED)
    assert await world.waiting.refusal(since=since) == Reason.UNKNOWN_INCIDENT
    assert lamp(world) == "Pulsing"


async def test_a_corrupt_state_does_not_silence_the_button(world: World) -> None:
    await world.agent.stop()
    world.state.is_corrupt = True
    await world.agent.start()
    await world.waiting.until("online again", lambda: len(world.link.connections) > 1)
    await world.pass_time(1)
    press(world, 0.3)
    await world.waiting.event(Told.ON_CALL_PRESSED)
    await world.waiting.until("the lamp", lambda: lamp(world) == "Pulsing")
