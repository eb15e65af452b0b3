"""The link is kept: what was stored arrives once acknowledged, what is stale is gone, and nobody is hammered."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from tcu_agent.core.effects import Persist, SealPosition, SendMessage
from tcu_agent.core.events import Connected, Disconnected, MessageArrived
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.messages import Availability, Challenge, Fix, Refusal
from tcu_agent.protocol.vocabulary import FixQuality, Presence, Reason, Service
from tcu_agent.runtime.backoff import Backoff
from tcu_agent.runtime.connection import MOST_RETRY_S, REFUSED_LEAST_S, STABLE_S
from tcu_agent.runtime.outbox import WINDOW_MESSAGES
from tcu_agent.runtime.prompt_sender import QUEUE_MESSAGES
from tcu_agent.runtime.silence import RESEND_S
from tcu_sim.bench.ports import SeededEntropy
from tests.runtime.rig import (
    VEHICLE_ID,
    Rig,
    append,
    common,
    event,
    play,
    position_authorisation,
)

REFUSAL = Refusal(vehicle_id=VEHICLE_ID, boot_id=bytes(8), reason=Reason.BUSY)


def send(rig: Rig, kind: str = "request") -> None:
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/{kind}", b"x")


def seqs(rig: Rig) -> list[int]:
    return [each.seq for each in rig.sent("event")]


def store(rig: Rig, *numbers: int) -> None:
    rig.state.commit(puts={}, append=[event(number) for number in numbers])


async def connected(rig: Rig, *, number: int = 1) -> None:
    await rig.core.wait_for(Connected, number=number)
    await rig.wait_s(0.01)


# ----------------------------------------------------------------------------------------- outbox


def test_what_was_stored_before_the_connection_is_sent_in_order() -> None:
    async def body(rig: Rig) -> None:
        store(rig, 1, 2, 3)
        rig.start()
        await connected(rig)
        assert seqs(rig) == [1, 2, 3]

    play(body)


def test_what_comes_later_is_sent_at_once_and_only_once() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, append(1))
        rig.core.on(MessageArrived, append(2), append(3))
        rig.start()
        await connected(rig)
        send(rig)
        send(rig)
        await rig.wait_s(RESEND_S / 2)
        assert seqs(rig) == [1, 2, 3]

    play(body)


def test_what_is_not_acknowledged_is_sent_again_after_a_reconnection() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, append(1), append(2), append(3))
        rig.core.on(MessageArrived, Persist(acknowledged=2))
        rig.start()
        await connected(rig)
        send(rig)
        await rig.wait_s(0.1)
        send(rig, "ack")
        await rig.wait_s(0.1)
        rig.broker.cut()
        await connected(rig, number=2)
        assert seqs(rig) == [1, 2, 3, 3]

    play(body)


def test_no_more_than_a_window_is_on_its_way_and_an_acknowledgement_opens_it() -> None:
    async def body(rig: Rig) -> None:
        store(rig, *range(1, WINDOW_MESSAGES + 11))
        rig.core.on(MessageArrived, Persist(acknowledged=5))
        rig.start()
        await connected(rig)
        assert seqs(rig) == list(range(1, WINDOW_MESSAGES + 1))
        send(rig, "ack")
        await rig.wait_s(1)
        assert seqs(rig) == list(range(1, WINDOW_MESSAGES + 6))

    play(body)


def test_a_lost_puback_sends_the_message_again() -> None:
    async def body(rig: Rig) -> None:
        store(rig, 1)
        rig.broker.loses_pubacks = True
        rig.start()
        await rig.core.wait_for(Disconnected)
        rig.broker.loses_pubacks = False
        await connected(rig, number=2)
        assert seqs(rig) == [1, 1]

    play(body)


def test_positions_are_sent_until_they_are_erased() -> None:
    async def body(rig: Rig) -> None:
        fix = Fix(quality=FixQuality.NONE)
        recipient = bytes([9]) + bytes(31)
        effects = [
            SealPosition(
                position_authorisation(),
                n,
                fix,
                recipient,
                stream_id=bytes(8),
                not_after=1e9,
                puts={},
            )
            for n in (1, 2)
        ]
        rig.core.on(MessageArrived, *effects)
        rig.start()
        await connected(rig)
        send(rig)
        await rig.wait_s(0.1)
        assert [each.seq for each in rig.sent("position")] == [1, 2]
        rig.state.erase_positions(position_authorisation().case_id, 1)
        rig.broker.cut()
        await connected(rig, number=2)
        again = [(each.seq, each.sealed is None) for each in rig.sent("position")[2:]]
        assert again == [(1, True), (2, False)], "nothing is before it any more"

    play(body)


# ------------------------------------------------------------------------------------- now or never


def test_a_prompt_message_without_a_connection_is_gone() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.is_reachable = False
        rig.core.starts_with = (SendMessage(REFUSAL),)
        rig.start()
        await rig.wait_s(10)
        rig.broker.is_reachable = True
        await connected(rig)
        assert rig.logbook.counts["message-not-sent"] == 1
        rig.core.on(Disconnected, SendMessage(REFUSAL))
        rig.broker.cut()
        await connected(rig, number=2)
        assert rig.logbook.counts["message-not-sent"] == 2
        assert rig.sent("refusal") == []

    play(body)


def test_a_prompt_message_that_hung_in_a_lost_connection_is_gone() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, SendMessage(REFUSAL), SendMessage(REFUSAL))
        rig.start()
        await connected(rig)
        rig.broker.loses_pubacks = True
        send(rig)
        await rig.core.wait_for(Disconnected)
        rig.broker.loses_pubacks = False
        await connected(rig, number=2)
        assert len(rig.sent("refusal")) == 1, "the second waited behind the first"

    play(body)


def test_a_challenge_expires_at_the_broker_with_its_own_lifetime() -> None:
    async def body(rig: Rig) -> None:
        challenge = Challenge(
            common=common(Service.UNLOCK),
            request_hash=bytes(32),
            trust_version=1,
            trust_epoch=0,
            account_version=1,
            ownership_generation=1,
            pin_generation=1,
            ttl_s=7,
        )
        rig.core.on(MessageArrived, SendMessage(challenge))
        rig.start()
        await connected(rig)
        send(rig)
        await rig.wait_s(0.01)
        (seen,) = [each for each in rig.broker.seen if each.topic.endswith("/up/challenge")]
        assert seen.expires_at is not None
        assert 0 <= seen.expires_at - rig.clock.boottime() <= 7

    play(body)


def test_a_link_that_hangs_does_not_hold_up_the_car() -> None:
    async def body(rig: Rig) -> None:
        rig.core.always[MessageArrived] = lambda _: (SendMessage(REFUSAL),)
        rig.start()
        await connected(rig)
        rig.broker.loses_pubacks = True
        before = rig.clock.boottime()
        for _ in range(QUEUE_MESSAGES + 20):
            send(rig)
        await rig.core.wait_for(MessageArrived, number=QUEUE_MESSAGES + 20)
        assert rig.clock.boottime() == before
        assert rig.logbook.counts["message-not-sent"] >= 19

    play(body)


# ------------------------------------------------------------------------------- losing and finding


def test_the_will_is_a_signed_offline_of_this_connection() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await connected(rig)
        rig.broker.cut()
        await connected(rig, number=2)
        (will,) = rig.sent("availability")
        assert isinstance(will, Availability)
        assert (will.presence, will.connection) == (Presence.OFFLINE, 1)
        assert rig.link.connections == [1, 2]

    play(body)


def test_the_core_hears_of_each_connection_and_each_loss() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await connected(rig)
        rig.broker.cut()
        await connected(rig, number=2)
        assert rig.core.events == [Connected(1), Disconnected(), Connected(2)]

    play(body)


def test_what_arrives_is_handed_over_as_it_is() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/grant", b"old", retain=True)
        rig.start()
        await connected(rig)
        rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/call", b"\x00")
        await rig.core.wait_for(MessageArrived, number=2)
        first, second = rig.core.of(MessageArrived)
        assert (first.topic_type, first.payload, first.retained) == ("grant", b"old", True)
        assert (second.topic_type, second.payload, second.retained) == ("call", b"\x00", False)
        assert len(first.random) == len(second.random) == 16
        assert first.random != second.random

    play(body)


async def attempts(rig: Rig, duration_s: float) -> list[float]:
    """Return when the agent tried to connect, for as long as it cannot."""
    times: list[float] = []
    connect = rig.link.connect

    async def watched(*, connection: int, will: bytes) -> bool:
        times.append(rig.clock.boottime())
        return await connect(connection=connection, will=will)

    rig.link.connect = watched  # type: ignore[method-assign]  # a wire-tap
    rig.start()
    await rig.wait_s(duration_s)
    return times


def test_an_unreachable_broker_is_tried_ever_less_often() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.is_reachable = False
        times = await attempts(rig, 3600)
        pauses = [b - a for a, b in pairwise(times)]
        assert all(pause <= MOST_RETRY_S for pause in pauses)
        assert len(times) < 200
        assert len(set(pauses)) == len(pauses), "jitter"
        assert sum(pauses[:4]) < 16
        rig.broker.is_reachable = True
        await connected(rig)

    play(body)


def test_a_broker_that_refuses_us_is_left_alone_for_minutes_and_it_is_said() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.refuses_authentication = True
        times = await attempts(rig, 24 * 3600 - 100)
        pauses = [b - a for a, b in pairwise(times)]
        assert all(pause >= REFUSED_LEAST_S for pause in pauses)
        assert rig.logbook.counts["link-refused"] == len(times) > 40
        assert any("refuses us" in line for line in rig.supervisor.said)

    play(body)


def test_a_connection_that_flaps_is_slowed_down_and_a_stable_one_is_not() -> None:
    async def flap(rig: Rig, held_s: float) -> float:
        rig.start()
        began = rig.clock.boottime()
        for number in range(1, 16):
            await rig.core.wait_for(Connected, number=number)
            await rig.wait_s(held_s)
            rig.broker.cut()
        await rig.core.wait_for(Connected, number=16)
        return rig.clock.boottime() - began - 15 * held_s

    async def short(rig: Rig) -> None:
        assert await flap(rig, 0.1) > 60

    async def stable(rig: Rig) -> None:
        assert await flap(rig, STABLE_S) < 16

    play(short)
    play(stable)


def test_a_can_frame_gets_through_while_mqtt_is_flooded() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await connected(rig)

        async def flood() -> None:
            while True:
                send(rig)
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        rig.bus.put(CanFrame(0x7FE, bytes(8)))
        await asyncio.sleep(0)
        for _ in range(2000):
            await asyncio.sleep(0)
        flooding.cancel()
        assert rig.agent is not None
        assert rig.agent._buses["body"].awake.is_set()

    play(body)


def test_delays_are_spread_between_nothing_and_a_growing_bound() -> None:
    backoff = Backoff(entropy=SeededEntropy(), first_s=1, most_s=8)
    drawn = [backoff.next_delay_s() for _ in range(6)]
    for delay, bound in zip(drawn, [1, 2, 4, 8, 8, 8], strict=True):
        assert 0 <= delay < bound
    backoff.reset()
    assert backoff.next_delay_s() < 1
    floored = Backoff(entropy=SeededEntropy(), first_s=1, most_s=8, floor=0.5)
    for bound in [1, 2, 4, 8, 8, 8]:
        assert bound / 2 <= floored.next_delay_s() < bound
    assert floored.failures == 6
    most = [Backoff(entropy=SeededEntropy(str(n)), first_s=1, most_s=8) for n in range(200)]
    spread = sorted(each.next_delay_s() for each in most)
    assert spread[20] < 0.2
    assert spread[-20] > 0.8
