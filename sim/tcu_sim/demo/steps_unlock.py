"""Steps about unlocking: with the PIN and without, twice, armed, and locked again."""

from __future__ import annotations

from tcu_sim.demo.agent_config import SHORTENED
from tcu_sim.demo.conditions import (
    CAR,
    LOCKS,
    both,
    event,
    from_car,
    is_lock,
    is_unlock,
    signal_is,
)
from tcu_sim.demo.sightings import Condition, NotSeenError, Sighting
from tcu_sim.demo.stage import WRONG, Stage
from tcu_sim.demo.story import Step

WINDOW_S = 60
RELOCK_TIMEOUT_S = 15.0
RELOCK_AFTER_S = SHORTENED["relock_after_s"][2]
RELOCK_TOLERANCE_S = 2.0
"""The agent counts from the locks that have moved, the observer from the result it has heard on a busy machine."""


async def unlock_without_pin(stage: Stage) -> str:
    """Send an unlock request for which nobody has entered a PIN."""
    since = stage.sightings.mark()
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    await stage.operator.send(request_id)
    stage.memory.challenged = await stage.challenge(since)
    return await _refused_by_centre(stage, request_id, since)


async def unlock_with_wrong_pin(stage: Stage) -> str:
    """Enter a wrong PIN, and send the request all the same."""
    since = stage.sightings.mark()
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    answer = await stage.enter(request_id, stage.wrong_pin())
    if answer != WRONG:
        raise NotSeenError(f"the PIN authority answered {answer!r} to a wrong PIN")
    await stage.operator.send(request_id)
    await stage.challenge(since)
    return await _refused_by_centre(stage, request_id, since)


async def unlock_with_right_pin(stage: Stage) -> str:
    """Enter the right PIN on the keypad; the car unlocks."""
    since = stage.sightings.mark()
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    seen = await stage.unlocked(request_id, since=since)
    stage.memory.unlock_id = request_id
    stage.memory.unlock_grant = await stage.grant_of(request_id)
    return seen


async def same_grant_again(stage: Stage) -> str:
    """Send the very same grant again."""
    since = stage.sightings.mark()
    unlock_id = stage.recall(stage.memory.unlock_id, "unlock")
    first = stage.result_of(unlock_id)
    await stage.operator.grant_again(unlock_id)
    again = await stage.seen("stored result", from_car("result"), since=since)
    if again["hash"] != first["hash"]:
        raise NotSeenError(f"another result: {again['outcome']} {again['reason']}")
    await stage.expect_no_unlock(since)
    return "the stored result once more, byte for byte; no command on CAN"


async def locks_itself(stage: Stage) -> str:
    """Open no door: the car locks itself again."""
    unlocked = stage.result_of(stage.recall(stage.memory.unlock_id, "unlock"))
    relocked = await stage.seen(
        "relocked event", event("relocked"), since=0, timeout_s=RELOCK_TIMEOUT_S
    )
    command = await stage.seen("lock command", _after_unlock(stage), since=0)
    judge_relock(unlocked, command, slack=stage.sightings.slack)
    for lock in LOCKS:
        await stage.seen(
            f"{lock} locked", both(signal_is(lock, "Locked"), _after(command)), since=0
        )
    after_s = command["t"] - unlocked["t"]
    return (
        f"lock command {after_s:.1f} s after the unlock, all five locks locked, "
        f"signed event {relocked['event']}"
    )


def judge_relock(unlocked: Sighting, command: Sighting, *, slack: float = 1.0) -> None:
    """Make sure that the car gave the owner his time, and no more. `slack`: factor for how far off it may be.

    Raises:
        NotSeenError: the lock command came too early or too late after the unlock's result.
    """
    after_s = command["t"] - unlocked["t"]
    if abs(after_s - RELOCK_AFTER_S) > RELOCK_TOLERANCE_S * slack:
        raise NotSeenError(
            f"lock command {after_s:.1f} s after the unlock's result instead of {RELOCK_AFTER_S} s"
        )


async def unlock_armed(stage: Stage) -> str:
    """Arm the unlock; nothing moves until the tailgate plate is pressed."""
    since = stage.sightings.mark()
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id, window_s=WINDOW_S)
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    await stage.seen("unlock-armed event", event("unlock-armed"), since=since)
    await stage.expect_no_unlock(since)
    await stage.control.do("press plate 0.5")
    unlocked = await stage.unlocked(request_id, since=since)
    return f"signed event unlock-armed and no command; plate pressed: {unlocked}"


async def _refused_by_centre(stage: Stage, request_id: bytes, since: int) -> str:
    request = await stage.operator.request(request_id, timeout_s=10)
    if request.state != "rejected":
        raise NotSeenError(f"the operator reads {request.state!r}")
    await stage.expect_no_unlock(since)
    await stage.expect_no_grant(since)
    return f"challenge, then no grant and no command on CAN; the operator reads: {request.words}"


def _after_unlock(stage: Stage) -> Condition:
    """A lock command behind the first unlock command; the car may have been locked before it."""
    unlock = stage.sightings.since(0, is_unlock)
    return both(is_lock, _after(unlock[0])) if unlock else is_lock


def _after(earlier: Sighting) -> Condition:
    return lambda s: bool(s["t"] >= earlier["t"])


UNLOCK = (
    Step("unlock without a PIN", "refused, nothing moves", unlock_without_pin),
    Step("unlock with a wrong PIN", "refused, nothing moves", unlock_with_wrong_pin),
    Step("unlock with the right PIN", "the doors unlock", unlock_with_right_pin),
    Step("the same grant again", "the stored result, nothing moves", same_grant_again),
)
LOCKED_AGAIN = (
    Step("no door is opened", "the car locks itself again", locks_itself),
    Step("armed unlock", "nothing moves until the plate is pressed", unlock_armed),
)
