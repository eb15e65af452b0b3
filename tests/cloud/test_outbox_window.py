"""Several messages are on their way at once: a far broker does not cost a round trip for each of them."""

from __future__ import annotations

from tcu_agent.core.events import Connected, Disconnected, TimePassed
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Position
from tcu_agent.runtime.outbox import BURST_MESSAGES
from tcu_agent.runtime.position_sender import BURST_POSITIONS
from tcu_agent.runtime.silence import RESEND_S
from tests.runtime.rig import VEHICLE_ID, Rig, append, event, play, position_authorisation


def test_a_burst_is_under_way_before_the_first_answer() -> None:
    async def body(rig: Rig) -> None:
        rig.state.commit(puts={}, append=[event(seq) for seq in range(1, BURST_MESSAGES + 9)])
        rig.broker.loses_pubacks = True
        rig.start()
        await rig.core.wait_for(Disconnected)
        assert [each.seq for each in rig.sent("event")] == list(range(1, BURST_MESSAGES + 1))

    play(body)


def test_positions_go_in_bursts_too_and_in_order() -> None:
    async def body(rig: Rig) -> None:
        case_id = position_authorisation().case_id
        for seq in range(1, BURST_POSITIONS + 5):
            position = Position(
                vehicle_id=VEHICLE_ID,
                request_id=bytes(16),
                case_id=case_id,
                seq=seq,
                stream_id=bytes(8),
                sealed=bytes(64),
            )
            rig.state.put_position(StoredPosition(case_id, seq, codec.encode(position)))
        rig.broker.loses_pubacks = True
        rig.start()
        await rig.core.wait_for(Disconnected)
        assert [each.seq for each in rig.sent("position")] == list(range(1, BURST_POSITIONS + 1))
        rig.broker.loses_pubacks = False
        await rig.core.wait_for(Connected, number=2)
        await rig.wait_s(0.1)
        again = [each.seq for each in rig.sent("position")][BURST_POSITIONS:]
        assert again == list(range(1, BURST_POSITIONS + 5))

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
