"""What happens to a bus, as steps of the demo's story: after each the doors must still unlock, and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tcu_sim.bus.frame import Frame
from tcu_sim.demo.conditions import (
    CAR,
    about,
    both,
    event,
    from_car,
    is_unlock,
    signal_is,
)
from tcu_sim.demo.sightings import Condition, NotSeenError, Sighting
from tcu_sim.demo.stage import Stage
from tcu_sim.demo.story import Step
from tcu_sim.vehicle.e2e import E2eSender
from tests.socketcan.bench import Bench, VirtualBench, bring_up, hold_back, report_error, take_down
from tests.socketcan.foreign import Candump, babbling, cansend

BUS_STATE = "Vehicle.TCU.Bus.State"
BUS_OFF, RESTARTED = 0x040, 0x100
"""Error classes. Source: Linux include/uapi/linux/can/error.h."""
PRESSED = 1
ON_CALL_BUTTON, ON_CALL_DATA_ID = 0x1A0, 0x01A0
NOT_DONE = ("failed", "unknown")
PRESSES = 12
INCIDENT_S = 20.0
HELD_BACK_S = 4
A_WHILE_FRAMES = 10
"""The car sends its lock status ten times a second."""
LOCK_STATUS = "1B0"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the faults happen."""

    bench: Bench
    dump: Candump


def faults(scene: Scene) -> tuple[Step[Stage], ...]:
    """Return the steps that this bench can play."""
    return tuple(
        Step(name, expected, partial(play, scene))
        for name, expected, play in (
            *EVERYWHERE,
            *(VIRTUAL if isinstance(scene.bench, VirtualBench) else ()),
            BY_CANSEND,
        )
    )


async def doors_unlock(stage: Stage) -> str:
    """Lock the car with the key, ask for an unlock with the PIN, and see the doors unlock."""
    await stage.control.do("lock key")
    await stage.locked()
    since = stage.sightings.mark()
    seen = await stage.unlocked(await ask_for_unlock(stage), since=since)
    if len(stage.sightings.since(since, is_unlock)) != 1:
        raise NotSeenError("more than one unlock command")
    return seen


async def passed(scene: Scene) -> None:
    """Wait until the car has said ten times more what its locks do: a second."""
    mark = scene.dump.mark()

    def enough() -> bool:
        return len(scene.dump.since(mark, scene.bench.far, LOCK_STATUS)) >= A_WHILE_FRAMES

    if not await asyncio.to_thread(scene.dump.wait, enough):
        raise NotSeenError("the car itself has fallen silent")


async def ask_for_unlock(stage: Stage) -> bytes:
    """Send an unlock request for which the PIN was confirmed; return its id."""
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    return request_id


async def babbling_node(scene: Scene, stage: Stage) -> str:
    """Let cangen flood the bus, high priority, while the doors are unlocked."""
    options = ("-g", str(scene.bench.gap_ms), "-I", "010", "-L", "8", "-i")
    with babbling(scene.bench.far, *options) as cangen:
        seen = await doors_unlock(stage)
        if cangen.poll() is not None:
            raise NotSeenError("cangen has ended before the doors were unlocked")
    return f"under a frame each {scene.bench.gap_ms:g} ms: {seen}"


async def link_down_and_up(scene: Scene, stage: Stage) -> str:
    """Take the agent's link down and up again."""
    take_down(scene.bench.agent)
    await passed(scene)
    bring_up(scene.bench.agent)
    await stage.sightings.settle()
    return await doors_unlock(stage)


async def interface_pulled(scene: Scene, stage: Stage) -> str:
    """Remove the agent's interface, and give it back."""
    scene.bench.pull()
    await passed(scene)
    scene.bench.plug()
    await stage.sightings.settle()
    return await doors_unlock(stage)


async def link_down_in_flight(scene: Scene, stage: Stage) -> str:
    """Take the link down when the command is on the bus and the locks have not moved yet; they move unseen."""
    await stage.control.do("lock key")
    await stage.locked()
    await stage.control.do("central-locking late 4")
    since = stage.sightings.mark()
    try:
        request_id = await ask_for_unlock(stage)
        await stage.seen("unlock command", is_unlock, since=since)
        take_down(scene.bench.agent)
        told = await _outcome(stage, request_id, since)
    finally:
        await stage.control.do("central-locking ok")
        bring_up(scene.bench.agent)
    await stage.sightings.settle()
    return await _not_again(stage, told, since, commands=1)


async def command_lost(scene: Scene, stage: Stage) -> str:
    """Break the wire from the agent to the car alone: its command gets nowhere, and is not sent again later."""
    await stage.control.do("lock key")
    await stage.locked()
    since = stage.sightings.mark()
    bench = scene.bench
    assert isinstance(bench, VirtualBench)
    bench.cut()
    bench.join_one_way(bench.far, bench.agent)
    try:
        request_id = await ask_for_unlock(stage)
        told = await _outcome(stage, request_id, since)
    finally:
        bench.cut()
        bench.join()
    await stage.sightings.settle()
    return await _not_again(stage, told, since, commands=0)


async def _outcome(stage: Stage, request_id: bytes, since: int) -> str:
    result = await _result(stage, request_id, since)
    if result["outcome"] not in NOT_DONE:
        raise NotSeenError(f"result {result['outcome']}, though nobody has seen the locks move")
    return f"signed result {result['outcome']} {result['reason']}"


async def _result(stage: Stage, request_id: bytes, since: int) -> Sighting:
    mine = about(from_car("result"), request_id.hex())
    return await stage.seen("result", mine, since=since, timeout_s=30.0)


async def _not_again(stage: Stage, told: str, since: int, *, commands: int) -> str:
    seen = len(stage.sightings.since(since, is_unlock))
    if seen != commands:
        raise NotSeenError(f"{told}; {seen} unlock commands on CAN instead of {commands}")
    return f"{told}, no further command; then: {await doors_unlock(stage)}"


async def transmit_queue_blocked(scene: Scene, stage: Stage) -> str:
    """Hold every frame of the agent back in the kernel for seconds, and ask for an unlock meanwhile."""
    await stage.control.do("lock key")
    await stage.locked()
    since = stage.sightings.mark()
    hold_back(scene.bench.agent, seconds=HELD_BACK_S)
    try:
        await passed(scene)
        result = await _result(stage, await ask_for_unlock(stage), since)
        await stage.sightings.settle(timeout_s=60.0)  # what the kernel held has come out by then
    finally:
        hold_back(scene.bench.agent, seconds=0)
    told = f"signed result {result['outcome']} {result['reason']}"
    came_out = len(stage.sightings.since(since, is_unlock))
    # What was in the queue when the hold ended is lost without a word; we must not be silent for good.
    await stage.sightings.settle(timeout_s=60.0)
    # `unknown` was told before the kernel let the frame go, or threw it away: then either is the truth.
    commands = {"executed": 1, "unknown": min(came_out, 1)}.get(result["outcome"], 0)
    return await _not_again(stage, told, since, commands=commands)


async def bus_off(scene: Scene, stage: Stage) -> str:
    """Let the agent's interface report bus-off and then its restart, as a driver does."""
    since = stage.sightings.mark()
    for error_class, state in ((BUS_OFF, "bus-off"), (RESTARTED, "restarted")):
        report_error(scene.bench.agent, error_class)
        await stage.seen(f"event bus {state}", _bus_is(state), since=since)
    return f"signed events bus-off, restarted; then: {await doors_unlock(stage)}"


def _bus_is(state: str) -> Condition:
    return both(event("bus-state"), lambda s: s["values"].get(BUS_STATE) == state)


async def senseless_frames(scene: Scene, stage: Stage) -> str:
    """Send mapped identifiers with wrong lengths, as remote and as 29-bit frames, and what is not even mapped."""
    since = stage.sightings.mark()
    for number in ("1A0", "1B0", "1B4", "310"):
        extended = f"00000{number}"
        cansend(
            *(scene.bench.far, f"{number}#", f"{number}#FF", f"{number}#R"),
            *(f"{extended}#FFFFFFFFFFFFFFFF", f"{extended}#R", "7FF#", "1FFFFFFF#FF"),
        )
    await stage.sightings.settle()
    if pressed := stage.sightings.since(since, event("on-call-pressed")):
        raise NotSeenError(f"a call out of nothing: {pressed[0]}")
    return await doors_unlock(stage)


async def forged_button(scene: Scene, stage: Stage) -> str:
    """Press ON CALL with cansend, twenty times, without its E2E protection."""
    since = stage.sightings.mark()
    cansend(scene.bench.far, *(f"{ON_CALL_BUTTON:03X}#00{counter:02X}01" for counter in range(15)))
    await stage.sightings.settle()
    if stage.sightings.since(since, event("on-call-pressed")):
        raise NotSeenError("a call by a frame with a wrong CRC")
    return "15 frames with a wrong CRC, no call"


async def forged_unlock(scene: Scene, stage: Stage) -> str:
    """Send unlock commands with a wrong authenticator, as a hostile node does; the locks stay."""
    await stage.control.do("lock key")
    await stage.locked()
    since = stage.sightings.mark()
    cansend(scene.bench.far, "0A0#0101000000112233", "0A0#0102000001445566")
    await stage.sightings.settle()
    if stage.sightings.since(since, signal_is("LockFrontLeft", "Unlocked")):
        raise NotSeenError("a lock moved")
    told = await stage.seen("security event", event("security"), since=since)
    return f"no lock moved, signed event {told['reason']}; then: {await doors_unlock(stage)}"


async def pressed_by_cansend(scene: Scene, stage: Stage) -> str:
    """Let the car fall asleep, and press ON CALL with cansend, protected as the car protects it."""
    await stage.operator.end_call(stage.incident_id)
    await stage.control.do("lock key")
    await stage.locked()
    mark = stage.sightings.mark()
    await stage.control.do("sleep")
    await _silence(scene)
    await asyncio.to_thread(cansend, scene.bench.far, *_pressed(PRESSES))
    pressed = await stage.seen("ON CALL event", event("on-call-pressed"), since=mark)
    (incident,) = await stage.operator.incidents(CAR, timeout_s=INCIDENT_S)
    if incident.incident_id.hex() != pressed["incident"]:
        raise NotSeenError("no operator has seen the incident")
    await stage.operator.answer(incident.incident_id)
    stage.memory.incident_id = incident.incident_id
    return f"signed event {pressed['event']}, and an operator has answered"


def _pressed(count: int) -> list[str]:
    sender = E2eSender(ON_CALL_DATA_ID)
    bare = Frame(arbitration_id=ON_CALL_BUTTON, data=bytes([0, 0, PRESSED]))
    return [f"{ON_CALL_BUTTON:03X}#{sender.protect(bare).data.hex()}" for _ in range(count)]


async def _silence(scene: Scene) -> None:
    """Wait until two seconds have passed without a frame."""
    mark = -1
    while mark != (mark := scene.dump.mark()):
        await asyncio.to_thread(scene.dump.wait, lambda: False, timeout_s=2.0)


Play = Callable[[Scene, Stage], Awaitable[str]]
EVERYWHERE: tuple[tuple[str, str, Play], ...] = (
    ("cangen floods the bus", "the doors unlock all the same", babbling_node),
    ("senseless frames by cansend", "nothing happens, the doors unlock", senseless_frames),
    ("ON CALL by cansend with a wrong CRC", "no call", forged_button),
    ("unlock by cansend with a wrong authenticator", "no lock moves", forged_unlock),
    ("the agent's link goes down and up", "the doors unlock", link_down_and_up),
    ("the agent's interface is pulled and plugged", "the doors unlock", interface_pulled),
    (
        "the transmit queue is blocked",
        "executed late or not at all, and told so",
        transmit_queue_blocked,
    ),
    (
        "the link goes down with a command in flight",
        "failed or unknown, never twice",
        link_down_in_flight,
    ),
)
VIRTUAL: tuple[tuple[str, str, Play], ...] = (
    ("the command gets nowhere", "failed or unknown, not sent later", command_lost),
    ("bus-off and restart are reported", "told to the centre, the doors unlock", bus_off),
)
BY_CANSEND: tuple[str, str, Play] = (
    "ON CALL is pressed by cansend on a sleeping bus",
    "a call",
    pressed_by_cansend,
)
