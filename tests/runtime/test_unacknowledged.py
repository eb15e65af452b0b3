"""A centre that is silent, a broker that refuses: nothing is lost, nobody is hammered, and the status says it."""

from __future__ import annotations

from itertools import pairwise

from tcu_agent.core.effects import Persist
from tcu_agent.core.events import MessageArrived
from tcu_agent.runtime.silence import MOST_RESEND_S, RESEND_S
from tests.runtime.rig import Rig, append, play
from tests.runtime.test_connection import connected, send, seqs, store


def test_what_is_never_acknowledged_is_sent_again_after_a_while_but_not_before() -> None:
    async def body(rig: Rig) -> None:
        store(rig, 1, 2)
        rig.start()
        await connected(rig)
        await rig.wait_s(RESEND_S - 1)
        assert seqs(rig) == [1, 2]
        await rig.wait_s(2)
        assert seqs(rig) == [1, 2, 1, 2]

    play(body)


def test_what_is_never_acknowledged_is_sent_again_ever_less_often_and_the_status_says_for_how_long() -> (
    None
):
    async def body(rig: Rig) -> None:
        store(rig, 1)
        rig.start()
        await connected(rig)
        began = rig.clock.boottime()
        times = [began]
        while rig.clock.boottime() < began + 4 * MOST_RESEND_S + 100:
            await rig.wait_s(1)
            times += [rig.clock.boottime()] * (len(seqs(rig)) - len(times))
        pauses = [round(b - a) for a, b in pairwise(times)]
        assert pauses == [60, 120, 240, 480, 960, 960, 960]
        assert "the centre has acknowledged nothing for 1.1 h" in rig.supervisor.said[-1]
        assert rig.supervisor.said[-1].startswith("STATUS=listening and connected; ")
        rig.core.on(MessageArrived, Persist(acknowledged=1), append(2))
        send(rig, "ack")
        await rig.wait_s(RESEND_S - 1)
        assert rig.supervisor.said[-1] == "STATUS=listening and connected"
        assert seqs(rig)[-1] == 2, "not sent before"
        await rig.wait_s(2)
        assert seqs(rig)[-2:] == [2, 2], "the shortest pause again"

    play(body)


def test_a_publication_that_the_broker_refuses_stays_stored_and_is_told() -> None:
    async def body(rig: Rig) -> None:
        store(rig, 1, 2)
        rig.broker.refused_types.add("event")
        rig.start()
        await connected(rig)
        assert rig.logbook.counts["publication-refused"] == 1, "one line for each type"
        refuses = "STATUS=listening and connected; the broker refuses what we publish as event"
        assert rig.supervisor.said[-1] == refuses
        await rig.wait_s(RESEND_S + 1)
        assert seqs(rig) == []
        assert rig.link.connections == [1], "another connection would change nothing"
        assert rig.logbook.counts["publication-refused"] == 1
        rig.broker.refused_types.clear()
        await rig.wait_s(2 * RESEND_S + 1)
        assert seqs(rig) == [1, 2]
        assert "refuses" not in rig.supervisor.said[-1]
        assert rig.logbook.counts["publications-taken-again"] == 1

    play(body)
