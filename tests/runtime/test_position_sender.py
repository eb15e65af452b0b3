"""Positions on their way: what is lost holds nothing up, and what has been erased meanwhile is not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from tcu_agent.core.durable import records
from tcu_agent.core.events import Connected
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Position
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.position_sender import BURST_POSITIONS, WINDOW_POSITIONS, PositionSender
from tcu_agent.runtime.silence import DESK, JITTER, MOST_RESEND_S, RESEND_S, Silence
from tcu_agent.runtime.stored_journal import StoredJournal
from tcu_sim.bench.ports import SeededEntropy
from tests.protocol import signing
from tests.runtime.rig import ENVIRONMENT, VEHICLE_ID, Rig, play

CASE, OTHER = b"C" * 16, b"D" * 16
STREAM_ID = b"a stream"
LONG_S = 72_000.0


def position(case_id: bytes, seq: int) -> Position:
    return Position(
        vehicle_id=VEHICLE_ID,
        request_id=bytes(16),
        case_id=case_id,
        seq=seq,
        stream_id=STREAM_ID,
        sealed=bytes(64),
    )


def store(rig: Rig, seqs: Iterable[int], case_id: bytes = CASE) -> None:
    for seq in seqs:
        payload = codec.encode(position(case_id, seq))
        rig.state.put_position(StoredPosition(case_id, seq, payload))


def erase(rig: Rig, case_id: bytes, up_to_seq: int | None) -> None:
    """Let the desk acknowledge them."""
    assert rig.agent is not None
    rig.state.erase_positions(case_id, up_to_seq)
    rig.agent._senders.positions.changed()


def count_reads(rig: Rig) -> list[None]:
    """Return a list that grows by one whenever positions are read."""
    reads: list[None] = []
    read = rig.state.positions

    def positions(
        *, after: tuple[bytes, int] | None = None, limit: int | None = None
    ) -> Sequence[StoredPosition]:
        reads.append(None)
        return read(after=after, limit=limit)

    rig.state.positions = positions  # type: ignore[method-assign]  # one store of one test
    return reads


def sent(rig: Rig) -> list[tuple[bytes, int, bool]]:
    return [(each.case_id, each.seq, each.sealed is None) for each in rig.sent("position")]


def test_with_what_has_to_be_sent_again_goes_the_word_that_nothing_is_before_it() -> None:
    async def body(rig: Rig) -> None:
        store(rig, (3, 4, 7))
        store(rig, (1, 2), OTHER)
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(1)
        whole = [(CASE, 3, False), (CASE, 4, False), (CASE, 7, False)]
        others = [(OTHER, 1, False), (OTHER, 2, False)]
        assert sent(rig) == whole + others, "at first the desk may well have what came before"
        await rig.wait_s(RESEND_S)
        assert sent(rig)[5:] == [(CASE, 2, True), *whole, *others]
        lost = rig.sent("position")[5]
        assert (lost.stream_id, lost.request_id) == (STREAM_ID, None)
        erase(rig, CASE, 4)
        await rig.wait_s(RESEND_S + 1)
        assert sent(rig)[-4:] == [(CASE, 6, True), (CASE, 7, False), *others], (
            "the hole behind them"
        )

    play(body)


def test_a_desk_that_is_silent_gets_one_window_of_each_case_ever_less_often() -> None:
    async def body(rig: Rig) -> None:
        store(rig, range(1, 6))
        store(rig, range(1, 10 * WINDOW_POSITIONS), OTHER)
        window = WINDOW_POSITIONS + 5
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(1)
        assert len(sent(rig)) == window
        assert {case_id for case_id, _, _ in sent(rig)} == {CASE, OTHER}
        await rig.wait_s(LONG_S)
        assert rig.agent is not None
        times = len(sent(rig)) / window
        least = LONG_S / MOST_RESEND_S
        assert least < times < least / (1 - JITTER) + 6
        assert "the theft desk has acknowledged nothing for 19." in rig.supervisor.said[-1]
        reads = count_reads(rig)
        erase(rig, OTHER, 10)
        await rig.wait_s(1)
        assert len(reads) < 10, "not all that is stored, for each news"
        assert [seq for _, seq, _ in sent(rig)[-10:]] == [
            WINDOW_POSITIONS + n for n in range(1, 11)
        ]
        assert rig.supervisor.said[-1] == "STATUS=listening and connected"
        count = len(sent(rig))
        await rig.wait_s(RESEND_S + 1)
        assert len(sent(rig)) > count, "the shortest pause again"

    play(body)


def test_a_window_moves_on_with_each_acknowledgement_to_the_last() -> None:
    async def body(rig: Rig) -> None:
        last = 3 * WINDOW_POSITIONS
        store(rig, range(1, last + 1))
        rig.start()
        await rig.core.wait_for(Connected)
        for seq in range(7, last, 7):
            await rig.wait_s(0.1)
            erase(rig, CASE, seq)
        await rig.wait_s(1)
        assert [seq for _, seq, _ in sent(rig)] == list(range(1, last + 1)), "each once"

    play(body)


def test_a_car_that_loses_its_link_each_minute_tells_what_is_lost_all_the_same() -> None:
    async def body(rig: Rig) -> None:
        store(rig, (3, 4))
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(1)
        assert sent(rig) == [(CASE, 3, False), (CASE, 4, False)]
        rig.link.lose()
        await rig.core.wait_for(Connected, number=2)
        await rig.wait_s(1)
        assert sent(rig)[2:] == [(CASE, 2, True), (CASE, 3, False), (CASE, 4, False)]

    play(body)


def test_many_cases_and_pages_are_told_apart() -> None:
    async def body(rig: Rig) -> None:
        store(rig, range(2, BURST_POSITIONS + 6))
        store(rig, (5,), OTHER)
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(RESEND_S + 2)
        lost = [(case_id, seq) for case_id, seq, is_lost in sent(rig) if is_lost]
        assert lost == [(CASE, 1), (OTHER, 4)]
        assert len(sent(rig)) == 2 * (BURST_POSITIONS + 5) + 2

    play(body)


def test_what_another_version_wrote_is_told_as_lost_once_it_is_the_first() -> None:
    async def body(rig: Rig) -> None:
        rig.state.commit(puts={records.JOURNAL: records.pack(1, b"journal!", 0, 0)})
        store(rig, (1, 3))
        rig.state.put_position(StoredPosition(CASE, 2, b"\xa0"))
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(1)
        assert sent(rig) == [(CASE, 1, False), (CASE, 3, False)]
        erase(rig, CASE, 1)
        await rig.wait_s(RESEND_S + 1)
        assert sent(rig)[2:] == [(CASE, 2, True), (CASE, 3, False)]
        assert rig.sent("position")[2].stream_id == b"journal!"
        assert rig.logbook.counts["position-lost"] == 1

    play(body)


def test_without_a_journal_nothing_is_said_of_what_is_lost() -> None:
    async def body(rig: Rig) -> None:
        rig.state.put_position(StoredPosition(CASE, 2, b"\xa0"))
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(RESEND_S + 1)
        assert sent(rig) == []

    play(body)


def test_what_the_end_of_a_case_erases_during_a_burst_is_in_no_later_one() -> None:
    async def body(rig: Rig) -> None:
        store(rig, range(1, 3 * BURST_POSITIONS))
        sender = PositionSender(
            state=rig.state,
            journal=StoredJournal(state=rig.state, vehicle_id=VEHICLE_ID, boot_id=bytes(8)),
            notary=Notary(signer=signing.VEHICLE, environment=ENVIRONMENT),
            silence=Silence(
                party=DESK,
                clock=rig.clock,
                entropy=SeededEntropy(),
                logbook=rig.logbook,
                supervisor=rig.supervisor,
            ),
            clock=rig.clock,
            logbook=rig.logbook,
        )
        published: list[Signed] = []
        acknowledged = asyncio.Event()

        async def publish(signed: Signed) -> None:
            published.append(signed)
            await acknowledged.wait()

        running = asyncio.create_task(sender.run(publish))
        await rig.wait_s(1)
        assert len(published) == BURST_POSITIONS
        rig.state.erase_positions(CASE, None)
        sender.changed()
        acknowledged.set()
        await rig.wait_s(RESEND_S + 1)
        assert len(published) == BURST_POSITIONS
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(body)
