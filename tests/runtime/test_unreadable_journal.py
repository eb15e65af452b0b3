"""A journal that cannot be read: nothing is stored beside it, and no start makes the next one believe the state."""

from __future__ import annotations

import pytest

from tcu_agent.core.agent import Core
from tcu_agent.protocol import cbor
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Reason
from tests.runtime.rig import Rig, play


@pytest.mark.parametrize("journal", [b"damaged", cbor.encode([99])], ids=["damaged", "newer"])
def test_a_journal_that_cannot_be_read_is_left_as_it_is_at_every_start(journal: bytes) -> None:
    async def body(rig: Rig) -> None:
        stored = {"journal": journal, "call": b"also damaged"}
        rig.state.values = dict(stored)
        for number in (1, 2):
            rig.start(core=Core)
            while len(rig.sent("event")) < number:
                await rig.wait_s(0.1)
            started = rig.sent("event")[-1]
            assert isinstance(started, Event)
            assert (started.kind, started.reason) == (EventKind.STARTED, Reason.STATE_CORRUPT)
            await rig.stop()
            assert rig.state.values == stored
            assert rig.state.messages == {}
        assert rig.logbook.counts["state-corrupt"] == 2

    play(body)
