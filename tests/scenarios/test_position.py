"""Positions: off by default, one grant, one case, a hard stop, sealed to the theft desk alone (row 7, G1, G5)."""

from dataclasses import replace

import pytest

from tcu_agent.core.position.position import PROOF_WAIT_S
from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import locate_parameters
from tcu_sim.bench.world import World
from tcu_sim.centre.proof import common_of
from tcu_sim.vehicle.motion import START, Position
from tcu_sim.vehicle.satellites import Fix
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.numbers import Outcome, Quality, Role, Service, Told

CASE = b"case of the test"
TRACKING = locate_parameters(10, 60)
YEAR_S = 365 * 86_400.0


async def track(world: World, *, case_id: bytes = CASE) -> bytes:
    request_id = await world.operator.granted(Service.POSITION, TRACKING, incident_id=case_id)
    await world.waiting.event(Told.TRACKING_STARTED)
    return request_id


def lose_fix(world: World, fix: Fix) -> None:
    world.car.do(lambda now: world.car.vehicle.satellites.set_fix(fix, now=now))


async def test_nothing_is_told_before_anybody_asks(world: World) -> None:
    world.car.do(lambda now: world.car.person.drive(60, for_s=20, now=now))
    await world.pass_time(60)
    assert world.state.sealings == []
    topics = {publication.topic.rsplit("/", 1)[1] for _, publication in world.recorder.messages}
    assert "position" not in topics


async def test_a_snapshot_is_one_sealed_position(world: World) -> None:
    result = await world.operator.locate(case_id=CASE)
    assert result.outcome is Outcome.EXECUTED
    await world.pass_time(60)
    [fix] = world.centre.fixes(CASE)
    assert fix.quality is Quality.FIX_3D
    assert fix.latitude_e7 == round(START.latitude_deg * 1e7)
    assert fix.longitude_e7 == round(START.longitude_deg * 1e7)
    assert world.state.sealed == {}


async def test_tracking_ends_at_its_stop_time(world: World) -> None:
    request_id = await track(world)
    result = await world.operator.result(request_id, timeout_s=70)
    assert (result.outcome, result.reason) == (Outcome.EXECUTED, Reason.STOP_TIME)
    assert (await world.waiting.event(Told.TRACKING_ENDED)).reason == Reason.STOP_TIME
    count = len(world.state.sealings)
    assert count in {6, 7}
    await world.pass_time(120)
    assert len(world.state.sealings) == count
    assert len(world.centre.fixes(CASE)) == count


async def test_tracking_follows_the_car(world: World) -> None:
    await track(world)
    place = Position(57.70, 11.99)
    world.car.vehicle.motion.place(place)
    await world.pass_time(25)
    last = world.centre.fixes(CASE)[-1]
    assert last.latitude_e7 == 577_000_000
    assert last.longitude_e7 == 119_900_000


async def test_the_end_of_the_case_stops_and_erases(world: World) -> None:
    request_id = await track(world)
    world.centre.acknowledges = False
    await world.pass_time(25)
    assert world.state.sealed
    world.centre.send(m.CaseEnd(vehicle_id=world.centre.vehicle_id, case_id=CASE))
    world.centre.acknowledges = True
    await world.waiting.event(Told.TRACKING_ENDED)
    assert world.state.sealed == {}
    count = len(world.state.sealings)
    await world.pass_time(60)
    assert len(world.state.sealings) == count
    assert (await world.operator.result(request_id)).reason == Reason.CASE_ENDED


async def test_positions_wait_sealed_while_offline(world: World) -> None:
    await track(world)
    await world.pass_time(5)
    world.broker.is_reachable = False
    world.broker.cut()
    await world.pass_time(30)
    assert len(world.state.sealed) >= 3
    world.broker.is_reachable = True
    await world.waiting.until(
        "all positions",
        lambda: len(world.centre.heard.positions) == len(world.state.sealings),
        timeout_s=120,
    )
    await world.waiting.until("the store is empty", lambda: not world.state.sealed)


async def test_tracking_goes_on_after_a_power_cut_and_not_longer(world: World) -> None:
    await track(world)
    await world.pass_time(22)
    before = len(world.state.sealings)
    began = world.state.sealings[0].at
    await world.power_cut(off_s=10)
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=70)
    assert ended.reason == Reason.STOP_TIME
    assert len(world.state.sealings) > before
    assert world.state.sealings[-1].at - began <= 60


async def test_a_power_cut_longer_than_the_rest_ends_tracking(world: World) -> None:
    await track(world)
    await world.pass_time(22)
    count = len(world.state.sealings)
    await world.power_cut(off_s=120)
    assert (await world.waiting.event(Told.TRACKING_ENDED)).reason == Reason.STOP_TIME
    assert len(world.state.sealings) == count


async def test_without_any_clock_the_rest_cannot_be_proven(world: World) -> None:
    await track(world)
    await world.pass_time(22)
    count = len(world.state.sealings)
    world.clock.set_wall(None)
    await world.power_cut(off_s=5)
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=PROOF_WAIT_S + 30)
    assert ended.reason == Reason.TIME_NOT_PROVEN
    await world.pass_time(60)
    assert len(world.state.sealings) == count


async def test_a_wall_clock_that_was_only_restored_from_a_disk_proves_nothing(world: World) -> None:
    await track(world)
    await world.pass_time(22)
    count = len(world.state.sealings)
    stood_at = world.clock.wall()
    assert stood_at is not None
    world.clock.synchronised = False
    world.clock.set_wall(stood_at - 3600)
    await world.power_cut(off_s=3600)
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=PROOF_WAIT_S + 30)
    assert ended.reason == Reason.TIME_NOT_PROVEN
    await world.pass_time(60)
    assert len(world.state.sealings) == count


async def test_tracking_goes_on_once_the_network_has_told_the_time(world: World) -> None:
    """A plug that was pulled for a second: the board is back before its clock is. The oracle knows the stop time."""
    await track(world)
    await world.pass_time(12)
    count = len(world.state.sealings)
    world.clock.synchronised = False
    await world.power_cut(off_s=1)
    await world.pass_time(10)
    assert len(world.state.sealings) == count
    world.clock.synchronised = True
    await world.pass_time(5)
    assert len(world.state.sealings) > count
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=60)
    assert ended.reason == Reason.STOP_TIME


@pytest.mark.parametrize("wrong_by_s", [-10 * YEAR_S, -3600.0, -2.0, 2.0, 30.0, 10 * YEAR_S])
@pytest.mark.parametrize("since", ["acceptance", "a fix"])
@pytest.mark.parametrize("right", ["before the power cut", "after it", "never"])
async def test_no_clock_that_nothing_kept_right_moves_the_stop_time(
    world: World, wrong_by_s: float, since: str, right: str
) -> None:
    """Wrong when the rest is stored, set right before or after a power cut of 15 s: the stop time stands."""
    if since == "acceptance":
        world.clock.set_wrong(wrong_by_s)
    await track(world)
    stop_at = world.now() + 60
    await world.pass_time(12)
    world.clock.set_wrong(wrong_by_s)
    await world.pass_time(11)
    if right == "before the power cut":
        world.clock.set_right()
        await world.pass_time(1)
    await world.power_cut(off_s=15)
    if right == "after it":
        await world.pass_time(1)
        world.clock.set_right()
    ended = await world.waiting.event(Told.TRACKING_ENDED, timeout_s=PROOF_WAIT_S + 60)
    assert world.state.sealings[-1].at <= stop_at + 1
    # Its own clock counted at acceptance, and is right again: nobody can shake it off with a plug.
    is_provable = right == "before the power cut" or (right == "after it" and since == "a fix")
    assert ended.reason == (Reason.STOP_TIME if is_provable else Reason.TIME_NOT_PROVEN)
    assert (world.state.sealings[-1].at > stop_at - 20) == is_provable


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_the_wall_clock_cannot_move_the_stop_time(world: World, jump_s: float) -> None:
    await track(world)
    await world.pass_time(15)
    wall_s = world.clock.wall()
    assert wall_s is not None
    world.clock.set_wall(wall_s + jump_s)
    await world.waiting.event(Told.TRACKING_ENDED, timeout_s=60)
    first, *_, last = world.state.sealings
    assert 40 <= last.at - first.at <= 60


async def test_a_lost_fix_is_told_with_its_age(world: World) -> None:
    lose_fix(world, Fix.LOST)
    await world.pass_time(30)
    result = await world.operator.locate(case_id=CASE)
    assert result.outcome is Outcome.EXECUTED
    [fix] = world.centre.fixes(CASE)
    assert fix.quality is Quality.LAST_KNOWN
    assert fix.age_ms is not None
    assert fix.age_ms >= 30_000


async def test_no_place_at_all_is_said_to_the_desk_too(world: World) -> None:
    world.car.vehicle.satellites.forget()
    await world.restart_agent()
    await world.pass_time(5)
    result = await world.operator.locate(case_id=CASE)
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.NO_FIX)
    [fix] = world.centre.fixes(CASE)
    assert (fix.quality, fix.latitude_e7) == (Quality.NONE, None)


async def test_no_position_without_the_desks_approval(world: World) -> None:
    request_id = await world.operator.challenged(
        Service.POSITION, locate_parameters(), incident_id=CASE
    )
    grant = world.centre.grant(request_id)
    forged = m.Approval(
        **common_of(grant),
        challenge_hash=world.centre.heard.challenges[request_id].hash,
        case_id=CASE,
    )
    by_command = sign(forged, world.centre.keys[Role.COMMAND], world.centre.environment)
    since = len(world.centre.heard.refusals)
    world.centre.send(replace(grant, approval=by_command))
    assert await world.waiting.refusal(since=since) == Reason.WRONG_ROLE
    assert world.state.sealings == []


async def test_a_snapshot_cannot_be_stretched_into_tracking(world: World) -> None:
    request_id = await world.operator.challenged(
        Service.POSITION, locate_parameters(), incident_id=CASE
    )
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id, parameters=TRACKING))
    assert await world.waiting.refusal(since=since) == Reason.PARAMETERS_MISMATCH
    await world.pass_time(30)
    assert world.state.sealings == []


async def test_a_second_case_meanwhile_is_busy(world: World) -> None:
    await track(world)
    result = await world.operator.locate(case_id=b"some other case!")
    assert (result.outcome, result.reason) == (Outcome.REFUSED, Reason.BUSY)
