"""Steps about theft: no position without case and PIN, sealed positions for the desk alone, an end at the stop time."""

from __future__ import annotations

from collections.abc import Sequence

from tcu_sim.demo.burglar import Overheard
from tcu_sim.demo.conditions import CAR, about, event, from_car, is_grant
from tcu_sim.demo.sightings import NotSeenError, Sighting
from tcu_sim.demo.stage import PLACE, Stage
from tcu_sim.demo.story import Step
from tcu_sim.wire.numbers import Kind
from tcu_sim.wire.parameters import Locate

INTERVAL_S, DURATION_S = 5, 11
is_position = from_car("position")
SAME_PLACE_DEG = 1e-5
"""About a metre."""
LATE_S = 2.0
"""So much later may the observer see what happened in time: two programs and a broker, on a busy machine."""


async def position_without_case(stage: Stage) -> str:
    """The owner's PIN is right, but nobody has opened a theft case."""
    since = stage.sightings.mark()
    no_case = bytes(16)
    request_id = await stage.operator.draft_snapshot(CAR, stage.incident_id, case_id=no_case)
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    await stage.challenge(since)
    request = await stage.operator.request(request_id, timeout_s=10)
    if request.state != "rejected":
        raise NotSeenError(f"the operator reads {request.state!r}")
    await stage.sightings.settle()
    await stage.expect_no_grant(since)
    _expect_no_position(stage, since)
    return f"challenge, then no grant and no position; the operator reads: {request.words}"


async def approval_by_command_key(stage: Stage) -> str:
    """A burglar with the keys of command service and PIN authority approves a case himself."""
    since = stage.sightings.mark()
    await _publish(stage, stage.burglar.grant(await _snapshot_asked(stage), approval_by="command"))
    seen = await stage.expect_refusal("wrong-role", since=since)
    _expect_no_position(stage, since)
    return f"{seen}, no position"


async def tracking_with_snapshot_evidence(stage: Stage) -> str:
    """Evidence and approval are for a snapshot, the grant asks for tracking."""
    since = stage.sightings.mark()
    tracking = Locate(kind=Kind.TRACKING, interval_s=INTERVAL_S, duration_s=DURATION_S)
    await _publish(stage, stage.burglar.grant(await _snapshot_asked(stage), parameters=tracking))
    seen = await stage.expect_refusal("parameters-mismatch", since=since)
    _expect_no_position(stage, since)
    return f"{seen}, no position"


async def theft_case(stage: Stage) -> str:
    """Owner, police and centre agree, the PIN is right: the car tells the desk where it is."""
    since = stage.memory.tracking_mark = stage.sightings.mark()
    case_id = stage.memory.case_id = (await stage.operator.open_case(CAR)).case_id
    await stage.client.owner().confirm_case(case_id)
    await stage.client.police().confirm_case(case_id, reference="demo 1")
    await stage.operator.confirm_case(case_id)
    request_id = await stage.operator.draft_tracking(
        CAR,
        stage.incident_id,
        case_id=case_id,
        interval_s=INTERVAL_S,
        duration_s=DURATION_S,
    )
    stage.memory.tracking_id = request_id
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    await stage.seen("tracking-started event", event("tracking-started"), since=since)
    sealed = await stage.seen("sealed position", is_position, since=since)
    await _opened_at_desk(stage, case_id, 1)
    _expect_none_in_clear(stage)
    return (
        f"signed event tracking-started, a position on the broker as {sealed['sealed_bytes']} sealed "
        "bytes, opened at the desk: where the car is"
    )


async def tracking_stops(stage: Stage) -> str:
    """The stop time has come: nothing more leaves the car, and the case's end erases what is known."""
    since = stage.recall(stage.memory.tracking_mark, "tracking")
    request = stage.recall(stage.memory.tracking_id, "tracking").hex()
    granted = await stage.seen("grant", about(is_grant, request), since=since)
    ended = await stage.seen("tracking-ended", event("tracking-ended"), since=since, timeout_s=20)
    next_due_s = (DURATION_S // INTERVAL_S + 1) * INTERVAL_S + LATE_S * stage.sightings.slack
    await stage.seen_at(granted["t"] + next_due_s)
    positions = stage.sightings.since(since, is_position)
    judge_stop(granted, ended, positions, slack=stage.sightings.slack)
    _expect_none_in_clear(stage)
    case_id = stage.recall(stage.memory.case_id, "theft case")
    await _opened_at_desk(stage, case_id, len(positions))
    ended_after_s = ended["t"] - granted["t"]
    return (
        f"signed event tracking-ended ({ended['reason']}) after {ended_after_s:.1f} s; {len(positions)} "
        f"positions, all opened at the desk; none in the {next_due_s - ended_after_s:.1f} s after it"
    )


def judge_stop(
    granted: Sighting, ended: Sighting, positions: Sequence[Sighting], *, slack: float = 1.0
) -> None:
    """Hold what was seen against the time that was granted, not against what the car says of it.

    `slack`: factor for how late things may be.

    Raises:
        NotSeenError: a position after the stop time or after the end that the car tells, or no end at that time.
    """
    late_s = LATE_S * slack
    stop_s = granted["t"] + DURATION_S
    if late := [each for each in positions if each["t"] > stop_s + late_s]:
        over_s = max(each["t"] for each in late) - stop_s
        raise NotSeenError(f"{len(late)} positions after the stop time, by up to {over_s:.1f} s")
    if late := [each for each in positions if each["t"] > ended["t"]]:
        raise NotSeenError(f"{len(late)} positions after the car has told the end")
    if abs(ended["t"] - stop_s) > late_s or ended["reason"] != "stop-time":
        after_s = ended["t"] - granted["t"]
        raise NotSeenError(
            f"tracking-ended ({ended['reason']}) {after_s:.1f} s after a grant for {DURATION_S} s"
        )


async def _snapshot_asked(stage: Stage) -> Overheard:
    since = stage.sightings.mark()
    request_id = await stage.operator.draft_snapshot(
        CAR, stage.incident_id, case_id=b"no such case, no"
    )
    await stage.operator.send(request_id)
    return await stage.challenge(since)


async def _publish(stage: Stage, grant: bytes) -> None:
    await stage.attacker.publish(CAR, "grant", grant)


def _expect_no_position(stage: Stage, since: int) -> None:
    if stage.sightings.since(since, is_position):
        raise NotSeenError("a position on the broker")


async def _opened_at_desk(stage: Stage, case_id: bytes, count: int) -> None:
    positions = await stage.client.desk_clerk().positions(case_id, at_least=count, timeout_s=10)
    if len(positions) != count:
        raise NotSeenError(f"the desk could open {len(positions)} of {count} positions")
    if not all(_is_there(each.latitude_deg, each.longitude_deg) for each in positions):
        raise NotSeenError("the desk sees another place than the one where the car is")


def _expect_none_in_clear(stage: Stage) -> None:
    if open_ones := stage.sightings.since(0, lambda s: "position_in_clear" in s):
        raise NotSeenError(f"{len(open_ones)} messages with the position in clear")


def _is_there(latitude_deg: float | None, longitude_deg: float | None) -> bool:
    if latitude_deg is None or longitude_deg is None:
        return False
    return (
        abs(latitude_deg - PLACE[0]) < SAME_PLACE_DEG
        and abs(longitude_deg - PLACE[1]) < SAME_PLACE_DEG
    )


NO_POSITION = (
    Step("position without a theft case", "refused, no position", position_without_case),
    Step(
        "theft desk passed over with two stolen keys",
        "refused: wrong-role, no position",
        approval_by_command_key,
    ),
    Step(
        "tracking asked with evidence for a snapshot",
        "refused: parameters-mismatch, no position",
        tracking_with_snapshot_evidence,
    ),
)
THEFT = (Step("theft case with PIN", "sealed positions, opened at the desk alone", theft_case),)
STOP_TIME = (Step("the stop time has come", "no position after it", tracking_stops),)
