"""Several messages are on their way at once: a far broker does not cost a round trip for each of them."""

from __future__ import annotations

from tcu_agent.core.events import Connected, Disconnected, TimePassed
from tcu_agent.runtime.outbox import BURST_MESSAGES, RESEND_S
from tests.runtime.rig import Rig, append, event, play


def test_a_burst_is_under_way_before_the_first_answer() -> None:
    async def body(rig: Rig) -> None:
        rig.state.commit(puts={}, append=[event(seq) for seq in range(1, BURST_MESSAGES + 9)])
        rig.broker.loses_pubacks = True
        rig.start()
        await rig.core.wait_for(Disconnected)
        assert [each.seq for each in rig.sent("event")] == list(range(1, BURST_MESSAGES + 1))

    play(body)


def test_a_message_that_was_lost_is_sent_again_though_new_ones_keep_coming() -> None:
    """Else a car that has something to say each half minute would never repeat what a broker has forgotten."""

    async def body(rig: Rig) -> None:
        rig.state.commit(puts={}, append=[event(1)])
        rig.start()
        await rig.core.wait_for(Connected)
        for seq in range(2, 8):
            rig.core.on(TimePassed, append(seq))
            rig.core.deadline = rig.clock.boottime() + RESEND_S / 3
            rig.broker.publish(
                "tcu/v1/car-1/down/request", b"x"
            )  # makes the agent look at its deadline
            await rig.core.wait_for(TimePassed, number=seq - 1)
            rig.core.deadline = None
        assert [each.seq for each in rig.sent("event")].count(1) >= 2

    play(body)
