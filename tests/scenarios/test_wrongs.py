"""What open systems get wrong, and this car gets right: the rows of the product's list that concern the car."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.core.step import Step
from tcu_agent.core.unlock.unlock import Trigger, Unlock, _Job
from tcu_agent.protocol.vocabulary import Outcome as Told
from tcu_agent.protocol.vocabulary import Reason
from tcu_agent.runtime.transmitter import Transmitter
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.centre.words import plain_words, word_of
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import look, sign, sign_payload
from tcu_sim.wire.keys import generate
from tcu_sim.wire.numbers import Outcome, Role, Service
from tests.scenarios.worlds import behave, is_locked, of_world


def evidence_by(world: World, request_id: bytes, role: Role) -> bytes:
    lawful = look(world.centre.evidence(request_id))
    world.centre.ledger.pop()  # nobody has entered a PIN
    return sign_payload(
        lawful.payload,
        typ=m.Evidence.TYP,
        key=world.centre.keys[role],
        environment=world.centre.environment,
    )


# ---------------------------------------------------------------------- 1: one actuator choke point
@pytest.mark.parametrize("role", [Role.COMMAND, Role.ACCOUNT, Role.THEFT_DESK])
async def test_1_no_path_reaches_the_bus_without_the_pin_authority(
    world: World, role: Role
) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = world.centre.grant(request_id, evidence=evidence_by(world, request_id, role))
    since = len(world.centre.heard.refusals)
    world.centre.send(grant)
    assert await world.waiting.refusal(since=since) == Reason.WRONG_ROLE
    await world.pass_time(5)
    assert world.unlocks() == []


# ---------------------------------------------------------------------- 2: what the doors did
async def test_2_success_is_what_the_doors_did(world: World) -> None:
    behave(world, Behaviour.BOAST)
    result = await world.operator.unlock()
    assert result.outcome is Outcome.FAILED
    assert is_locked(world)


@of_world(expects="executed")
async def test_2_the_oracle_sees_an_agent_that_takes_sending_for_doing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boast(unlock: Unlock, step: Step, job: _Job) -> None:
        unlock._end(step, Trigger.NO_STATUS_IN_TIME, Told.EXECUTED, Reason.NONE)

    monkeypatch.setattr(Unlock, "_give_up", boast)
    behave(world, Behaviour.NEVER)
    assert (await world.operator.unlock()).outcome is Outcome.EXECUTED


@of_world(expects="without unused evidence")
async def test_1_the_oracle_sees_a_frame_that_nobody_allowed(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.centre.send(world.centre.grant(request_id))
    world.centre.ledger.clear()
    await world.operator.result(request_id)


@of_world(expects="more than its evidence")
async def test_7_the_oracle_sees_a_position_that_nobody_allowed(world: World) -> None:
    await world.operator.locate()
    world.centre.ledger.clear()


# ---------------------------------------------------------------------- 3: at most once
async def test_3_a_repeated_command_is_never_a_toggle(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    data = world.centre.send(world.centre.grant(request_id))
    await world.operator.result(request_id)
    for _ in range(10):
        world.attack("grant", data)
    await world.pass_time(5)
    assert not is_locked(world)
    assert len(world.unlocks()) == 1
    assert world.locks() == []


@of_world(expects="without unused evidence")
async def test_3_the_oracle_sees_a_second_frame_though_another_request_has_evidence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlock = Transmitter.unlock

    async def twice(*args: Any, **rest: Any) -> None:
        await unlock(*args, **rest)
        await unlock(*args, **rest)

    monkeypatch.setattr(Transmitter, "unlock", twice)
    world.centre.evidence(await world.operator.challenged(Service.UNLOCK, unlock_parameters()))
    await world.operator.unlock()


# ---------------------------------------------------------------------- 4: no late action
async def test_4_a_command_from_the_queue_is_too_late(world: World) -> None:
    world.carrier.holds.add("grant")
    await world.operator.granted(Service.UNLOCK, unlock_parameters())
    await world.pass_time(3600)
    since = len(world.centre.heard.refusals)
    world.carrier.release()
    reason = await world.waiting.refusal(since=since)
    assert reason in {Reason.CHALLENGE_EXPIRED, Reason.UNKNOWN_CHALLENGE}
    assert world.unlocks() == []


# ---------------------------------------------------------------------- 5: two keys
async def test_5_a_broken_pin_authority_alone_moves_nothing(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = world.centre.grant(request_id)
    since = len(world.centre.heard.refusals)
    world.centre.send(grant, key=world.centre.keys[Role.PIN_AUTHORITY])
    assert await world.waiting.refusal(since=since) == Reason.WRONG_ROLE
    world.centre.send(grant, key=generate())
    assert await world.waiting.refusal(since=since + 1) == Reason.UNKNOWN_KEY
    assert world.unlocks() == []


async def test_5_evidence_for_one_request_is_none_for_another(world: World) -> None:
    first = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    second = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    evidence = world.centre.evidence(first)
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(second, evidence=evidence))
    assert await world.waiting.refusal(since=since) == Reason.REQUEST_MISMATCH
    assert world.unlocks() == []


async def test_5_evidence_for_armed_is_none_for_direct(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters(60))
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id, parameters=unlock_parameters()))
    assert await world.waiting.refusal(since=since) == Reason.PARAMETERS_MISMATCH
    assert world.unlocks() == []


async def test_5_a_message_of_another_environment_never_verifies(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = world.centre.grant(request_id)
    since = len(world.centre.heard.refusals)
    world.attack("grant", sign(grant, world.centre.keys[Role.COMMAND], "production"))
    assert await world.waiting.refusal(since=since) == Reason.BAD_SIGNATURE
    assert world.unlocks() == []


async def test_5_a_grant_for_another_car_is_refused(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = replace(world.centre.grant(request_id), vehicle_id="another-car")
    since = len(world.centre.heard.refusals)
    world.centre.send(grant)
    assert await world.waiting.refusal(since=since) == Reason.WRONG_VEHICLE
    assert world.unlocks() == []


# ---------------------------------------------------------------------- 6: a former owner
async def test_6_a_former_owners_pin_is_dead_in_the_car(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.centre.account.ownership_generation += 1
    world.centre.account.pin_generation += 1
    world.centre.send_account()
    await world.pass_time(1)
    since = len(world.centre.heard.refusals)
    world.centre.send(world.centre.grant(request_id))
    assert await world.waiting.refusal(since=since) == Reason.GENERATION_MISMATCH
    assert world.unlocks() == []


# ---------------------------------------------------------------------- 7 and 9: nothing leaks
PLAIN_RECORD = vars(logging.makeLogRecord({}))


def extras(record: logging.LogRecord) -> dict[str, object]:
    """Return what a log record carries beside its text: that is where the agent's fields are."""
    return {name: value for name, value in vars(record).items() if name not in PLAIN_RECORD}


async def test_7_and_9_neither_log_nor_memory_shows_a_position(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await world.operator.locate(case_id=b"case of the test")
    await world.operator.unlock()
    assert world.centre.fixes(b"case of the test")
    places = ("57.708", "11.974", "577089000", "119746000")
    said = caplog.text + repr([extras(record) for record in caplog.records])
    written = said + repr(world.state.values) + repr(world.state.messages)
    assert "unlock-transmitted" in said
    assert "'outcome': 'executed'" in said
    assert [place for place in places if place in written] == []


# ---------------------------------------------------------------------- 10: reasons in plain words
@pytest.mark.parametrize("reason", list(Reason))
def test_10_the_centre_has_plain_words_for_every_reason(reason: Reason) -> None:
    assert word_of(reason) == reason.code
    assert plain_words(reason)
