"""Steps about the ON CALL button: the call, and a new PIN over it (S8, S11)."""

from __future__ import annotations

from tcu_sim.demo.conditions import CAR, both, event, signal_is
from tcu_sim.demo.sightings import NotSeenError
from tcu_sim.demo.stage import RIGHT, Stage
from tcu_sim.demo.story import Step

CALL_TIMEOUT_S = 10.0


async def press_on_call(stage: Stage) -> str:
    """Press the button, let an operator answer, and look at lamp and call state on CAN."""
    since = stage.sightings.mark()
    stage.memory.incident_id = await _call(stage)
    pressed = await stage.seen("ON CALL event", event("on-call-pressed"), since=since)
    lamp = await stage.seen("lamp on", signal_is("OnCallLamp", "On"), since=since)
    await stage.seen("call connected", signal_is("OnCallState", "Connected"), since=since)
    return (
        f"signed event {pressed['event']}, lamp pulsing, then on with call state Connected "
        f"{lamp['t'] - pressed['t']:.2f} s later"
    )


async def reissue_pin(stage: Stage) -> str:
    """Press ON CALL again, have the PIN replaced; the car learns it, the old PIN is dead."""
    old_pin, mark = stage.pin(), stage.sightings.mark()
    await stage.operator.end_call(stage.incident_id)
    await stage.seen("call over", signal_is("OnCallState", "Idle"), since=mark)
    since = stage.sightings.mark()
    stage.memory.incident_id = await _call(stage)
    await stage.operator.reissue(CAR, stage.incident_id)
    learnt = await stage.seen("account-changed event", event("account-changed"), since=since)
    await stage.learnt()
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    answer = await stage.enter(request_id, old_pin)
    if answer == RIGHT:
        raise NotSeenError("the old PIN is still taken")
    generation = next(v for k, v in learnt["values"].items() if k.endswith("PinGeneration"))
    return f"signed event account-changed (PIN generation {generation}); old PIN: {answer}"


async def use_new_pin(stage: Stage) -> str:
    """Unlock with the PIN of the new letter, as soon as the car has locked itself again."""
    await stage.locked()
    since = stage.sightings.mark()
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    return await stage.unlocked(request_id, since=since)


async def _call(stage: Stage) -> bytes:
    since = stage.sightings.mark()
    await stage.control.do("press on-call 0.3")
    is_lit = signal_is("OnCallLamp", "Pulsing")
    await stage.seen("pulsing lamp", is_lit, since=since)
    pressed = await stage.seen(
        "ON CALL event", both(event("on-call-pressed"), lambda s: s.get("incident")), since=since
    )
    incidents = await stage.operator.incidents(CAR, timeout_s=CALL_TIMEOUT_S)
    if not incidents or incidents[0].incident_id.hex() != pressed["incident"]:
        raise NotSeenError("no operator has seen the incident")
    await stage.operator.answer(incidents[0].incident_id)
    await stage.seen("connected call", signal_is("OnCallState", "Connected"), since=since)
    return incidents[0].incident_id


CALL = (Step("ON CALL is pressed", "the call is connected and the lamp says so", press_on_call),)
NEW_PIN = (
    Step("PIN re-issued over ON CALL", "the car learns it, the old PIN is dead", reissue_pin),
    Step("unlock with the new PIN", "the doors unlock", use_new_pin),
)
