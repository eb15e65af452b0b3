"""A broker that repeats, swaps, delays, keeps and forgets: it gains at most that nothing works (G2, G3, G8)."""

import pytest

from tcu_agent.protocol.vocabulary import Reason
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.bench.world import World
from tcu_sim.wire.numbers import Call, Outcome, Service, Told
from tcu_sim.wire.parameters import Nothing
from tests.scenarios.worlds import is_locked, lamp, of_world, press


async def test_every_message_three_times_changes_nothing(world: World) -> None:
    for word in ("request", "grant", "call", "ack", "account"):
        world.carrier.copies[word] = 2
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters())
    await world.pass_time(60)
    assert len(world.unlocks()) == 1
    answers = [r for r in world.centre.heard.answers if r.request_id == request_id]
    assert {answer.outcome for answer in answers} == {Outcome.EXECUTED}
    assert all(answer == answers[0] for answer in answers)


async def test_a_grant_sent_again_gets_the_stored_result(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    data = world.centre.send(world.centre.grant(request_id))
    first = await world.operator.result(request_id)
    for _ in range(5):
        world.attack("grant", data)
        await world.pass_time(20)
    assert len(world.unlocks()) == 1
    assert [r for r in world.centre.heard.answers if r == first][1:]


async def test_a_grant_sent_again_after_the_car_has_locked_itself_opens_nothing(
    world: World,
) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    data = world.centre.send(world.centre.grant(request_id))
    await world.operator.result(request_id)
    await world.waiting.event(Told.RELOCKED, timeout_s=130)
    world.attack("grant", data)
    await world.power_cut()
    world.attack("grant", data)
    await world.pass_time(30)
    assert is_locked(world)
    assert len(world.unlocks()) == 1


async def test_a_grant_that_waited_in_a_queue_is_too_late(world: World) -> None:
    world.carrier.holds.add("grant")
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters())
    await world.pass_time(31)
    since = len(world.centre.heard.refusals)
    world.carrier.release()
    assert await world.waiting.refusal(since=since) == Reason.CHALLENGE_EXPIRED
    await world.pass_time(30)
    assert world.unlocks() == []
    assert request_id not in {r.request_id for r in world.centre.heard.answers}


async def test_a_grant_in_its_last_second_still_acts(world: World) -> None:
    world.carrier.holds.add("grant")
    request_id = await world.operator.granted(Service.UNLOCK, unlock_parameters())
    await world.pass_time(29)
    world.carrier.release()
    assert (await world.operator.result(request_id)).outcome is Outcome.EXECUTED


async def test_a_grant_queued_while_the_car_was_offline_is_too_late(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.broker.is_reachable = False
    world.broker.cut()
    world.centre.send(world.centre.grant(request_id))
    await world.pass_time(40)
    world.broker.is_reachable = True
    await world.pass_time(120)
    assert world.unlocks() == []


async def test_requests_in_reverse_order_only_the_newest_counts(world: World) -> None:
    world.carrier.holds.add("request")
    old = world.centre.send_request(Service.UNLOCK, unlock_parameters())
    new = world.centre.send_request(Service.UNLOCK, unlock_parameters())
    since = len(world.centre.heard.refusals)
    world.carrier.release(backwards=True)
    assert await world.waiting.refusal(since=since) == Reason.STALE_REQUEST
    assert set(world.centre.heard.challenges) & {old, new} == {new}


async def test_an_old_request_gets_no_new_challenge(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    request = next(p for _, p in world.recorder.messages if p.topic.endswith("/down/request"))
    await world.pass_time(60)
    since = len(world.centre.heard.refusals)
    world.attack("request", request.payload)
    assert await world.waiting.refusal(since=since) == Reason.STALE_REQUEST
    assert list(world.centre.heard.challenges) == [request_id]


@pytest.mark.parametrize("word", ["request", "grant", "call", "account", "trust", "case-end"])
async def test_a_retained_message_is_refused(world: World, word: str) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = world.centre.grant(request_id)
    world.carrier.holds.add("grant")
    data = world.centre.send(grant)
    since = len(world.centre.heard.refusals)
    world.attack(word, data, retain=True)
    assert await world.waiting.refusal(since=since) == Reason.RETAINED
    assert world.unlocks() == []


async def test_who_cannot_sign_uses_nothing_up(world: World) -> None:
    """Nonsense by the hundred: the live challenge stays, and the right grant still acts (G8)."""
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    grant = world.centre.grant(request_id)
    world.carrier.holds.add("grant")
    data = world.centre.send(grant)
    world.carrier.held.clear()
    for number in range(200):
        world.attack("request", bytes([number]) * 40)
        world.attack("grant", data[:-1] + bytes([data[-1] ^ (1 + number % 255)]))
        world.attack("ack", b"\xd2" * number)
    world.attack("grant", b"x" * 100_000)
    await world.pass_time(5)
    before = len(world.state.values)
    world.carrier.deliver("grant", data)
    assert (await world.operator.result(request_id)).outcome is Outcome.EXECUTED
    assert len(world.state.values) <= before + 3


async def test_challenges_are_few_and_a_live_one_is_never_evicted(world: World) -> None:
    first = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    for _ in range(3):
        await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    assert await world.operator.refused(Service.UNLOCK, unlock_parameters()) == Reason.BUSY
    world.centre.send(world.centre.grant(first))
    assert (await world.operator.result(first)).outcome is Outcome.EXECUTED


async def test_a_forged_acknowledgement_erases_nothing(world: World) -> None:
    world.centre.acknowledges = False
    press(world, 0.3)
    await world.waiting.event(Told.ON_CALL_PRESSED)
    kept = len(world.state.messages)
    assert kept > 0
    ack = next(p for _, p in world.recorder.messages if p.topic.endswith("/down/ack"))
    world.attack("ack", ack.payload[:-1] + bytes([ack.payload[-1] ^ 1]))
    await world.pass_time(2)
    assert len(world.state.messages) >= kept


async def test_a_forged_end_ends_no_call(world: World) -> None:
    press(world, 0.3)
    opened = await world.answer_call()
    await world.waiting.until("the lamp", lambda: lamp(world) == "On")
    world.carrier.holds.add("call")
    data = world.centre.send_call(opened, Call.ENDED)
    world.attack("call", data[:-1] + bytes([data[-1] ^ 1]))
    await world.pass_time(2)
    assert lamp(world) == "On"


@of_world(settings={"challenges_max": 1})
async def test_a_lost_puback_sends_the_result_again_until_it_is_acknowledged(world: World) -> None:
    request_id = await world.operator.challenged(Service.UNLOCK, unlock_parameters())
    world.broker.loses_pubacks = True
    world.centre.acknowledges = False
    world.centre.send(world.centre.grant(request_id))
    await world.pass_time(60)
    world.broker.loses_pubacks = False
    world.centre.acknowledges = True
    result = await world.operator.result(request_id)
    assert result.outcome is Outcome.EXECUTED
    await world.waiting.until("an empty outbox", lambda: not world.state.messages, timeout_s=120)
    assert len(world.unlocks()) == 1


async def test_state_is_told_on_request_without_any_grant(world: World) -> None:
    request_id = world.centre.send_request(Service.STATE, Nothing())
    report = await world.waiting.event(Told.STATE_REPORT)
    assert report.request_id == request_id
    locks = [v for path, v in report.values.items() if path.endswith("IsLocked")]
    assert locks == [True] * 5
