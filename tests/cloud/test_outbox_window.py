"""A window of messages is on its way at once: a far broker costs one round trip a window, not one a message."""

from __future__ import annotations

from tcu_agent.core.events import Disconnected
from tcu_agent.runtime.outbox import WINDOW_MESSAGES
from tests.runtime.rig import Rig, event, play


def test_the_whole_window_is_under_way_before_the_first_answer() -> None:
    async def body(rig: Rig) -> None:
        rig.state.commit(puts={}, append=[event(seq) for seq in range(1, WINDOW_MESSAGES + 9)])
        rig.broker.loses_pubacks = True
        rig.start()
        await rig.core.wait_for(Disconnected)
        assert [each.seq for each in rig.sent("event")] == list(range(1, WINDOW_MESSAGES + 1))

    play(body)
