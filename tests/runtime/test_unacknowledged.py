"""A centre that is silent, a broker that refuses: nothing is lost, nobody is hammered, and the status says it."""

from __future__ import annotations

from itertools import pairwise

from tcu_agent.core.effects import Persist
from tcu_agent.core.events import MessageArrived
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.silence import CENTRE, JITTER, MOST_RESEND_S, RESEND_S, Silence
from tcu_agent.runtime.supervisor import Supervisor
from tcu_sim.bench.ports import SeededEntropy, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.runtime.rig import Rig, append, play
from tests.runtime.test_connection import connected, send, seqs, store


def test_what_is_never_acknowledged_is_sent_again_after_a_while_but_not_before() -> None:
    async def body(rig: Rig) -> None:
        store(rig, 1, 2)
        rig.start()
        await connected(rig)
        await rig.wait_s(RESEND_S * (1 - JITTER) - 1)
        assert seqs(rig) == [1, 2]
        await rig.wait_s(RESEND_S * JITTER + 2)
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
        while rig.clock.boottime() < began + 5 * MOST_RESEND_S:
            await rig.wait_s(1)
            times += [rig.clock.boottime()] * (len(seqs(rig)) - len(times))
        pauses = [round(b - a) for a, b in pairwise(times)]
        bounds_s = [60, 120, 240, 480, 960, 960, 960]
        for pause, bound_s in zip(pauses, bounds_s, strict=False):
            assert (1 - JITTER) * bound_s <= pause <= bound_s + 1
        assert len(pauses) >= len(bounds_s)
        assert len({pause / bound for pause, bound in zip(pauses, bounds_s, strict=False)}) > 3
        assert "the centre has acknowledged nothing for 1." in rig.supervisor.said[-1]
        assert rig.supervisor.said[-1].startswith("STATUS=listening and connected; ")
        rig.core.on(MessageArrived, Persist(acknowledged=1), append(2))
        send(rig, "ack")
        await rig.wait_s(RESEND_S * (1 - JITTER) - 1)
        assert rig.supervisor.said[-1] == "STATUS=listening and connected"
        assert seqs(rig)[-1] == 2, "not sent before"
        await rig.wait_s(RESEND_S * JITTER + 2)
        assert seqs(rig)[-2:] == [2, 2], "the shortest pause again"

    play(body)


def test_a_new_connection_begins_with_the_shortest_pause_and_the_silence_goes_on() -> None:
    async def body(rig: Rig) -> None:
        store(rig, 1)
        rig.start()
        await connected(rig)
        await rig.wait_s(2 * MOST_RESEND_S)
        rig.link.lose()
        await connected(rig, number=2)
        count = len(seqs(rig))
        await rig.wait_s(RESEND_S + 1)
        assert len(seqs(rig)) == count + 1
        assert "acknowledged nothing for 33 min" in rig.supervisor.said[-1]

    play(body)


def test_two_cars_do_not_repeat_themselves_in_the_same_second() -> None:
    async def main() -> None:
        pauses = set()
        entropy = SeededEntropy()
        for _ in range(100):
            silence = Silence(
                party=CENTRE,
                clock=SimulatedClock(),
                entropy=entropy,
                logbook=Logbook(),
                supervisor=Supervisor({}),
            )
            silence.sent()
            pauses.add(round(silence.left_s, 1))
        assert min(pauses) < RESEND_S * (1 - JITTER) + 2
        assert max(pauses) > RESEND_S - 2
        assert len(pauses) > 50

    run_simulated(main())


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
