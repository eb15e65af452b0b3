"""One damaged message in the store is told as lost, and everything behind it still reaches the centre."""

from dataclasses import replace
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.store import FILE_NAME, SqliteState
from tcu_agent.cli.check import Report, _messages
from tcu_agent.core.durable import records
from tcu_agent.core.events import Connected
from tcu_agent.core.reports import journal
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Reason
from tcu_agent.runtime.silence import RESEND_S
from tests.contract.test_state import alter
from tests.runtime.rig import Rig, event, play

STREAM = b"stream-1"


def alter_closed(rig: Rig, statement: str, *values: object) -> None:
    """Change the file while nobody has it open."""
    folder = opened(rig).folder
    opened(rig).close()
    alter(folder / FILE_NAME, statement, *values)
    rig.disk = Disk(folder)


def spoil(rig: Rig, seq: int) -> None:
    alter_closed(
        rig, "UPDATE outbox SET payload = CAST(payload || x'00' AS BLOB) WHERE seq = ?", seq
    )


class Disk(SqliteState):
    """A state that can lose a message while it is open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def fade(self, seq: int) -> None:
        self._database.execute("UPDATE outbox SET checksum = x'' WHERE seq = ?", (seq,))


def opened(rig: Rig) -> Disk:
    assert isinstance(rig.disk, Disk)
    return rig.disk


def fill(rig: Rig, folder: Path, *, acknowledged: int, last_seq: int) -> None:
    rig.disk = Disk(folder)
    rig.disk.commit(
        puts={records.JOURNAL: records.pack(journal.SCHEMA, STREAM, last_seq, acknowledged)},
        append=[event(seq) for seq in range(acknowledged + 1, last_seq + 1)],
    )


def told(rig: Rig) -> list[tuple[int, EventKind]]:
    return [(each.seq, each.kind) for each in rig.sent("event")]


async def connected(rig: Rig) -> None:
    await rig.core.wait_for(Connected)
    await rig.wait_s(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.mark.parametrize("seq", [5, 6, 7], ids=["first", "middle", "last"])
def test_a_tombstone_stands_for_a_message_that_was_damaged(folder: Path, seq: int) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=7)
        spoil(rig, seq)
        rig.start()
        assert (
            rig.logbook.counts["message-lost"] == 1
        )  # said at the start, whenever the broker comes
        await connected(rig)
        lost = next(each for each in rig.sent("event") if each.kind is EventKind.TOMBSTONE)
        assert [number for number, _ in told(rig)] == [5, 6, 7]
        assert (lost.seq, lost.first_seq, lost.last_seq) == (seq, seq, seq)
        assert (lost.reason, lost.stream_id) == (Reason.STATE_CORRUPT, STREAM)

    play(body)


def test_a_damaged_tombstone_is_followed_by_one_as_wide(folder: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=7)
        for seq in (5, 6):
            opened(rig).replace(seq, by=None)
        spoil(rig, 7)
        rig.start()
        await connected(rig)
        (lost,) = rig.sent("event")
        assert (lost.seq, lost.first_seq, lost.last_seq) == (7, 5, 7)

    play(body)


def test_a_number_that_was_never_given_out_is_not_used_up(folder: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=6)
        alter_closed(rig, "UPDATE outbox SET seq = 900 WHERE seq = 6")
        rig.start()
        await connected(rig)
        assert told(rig) == [(5, EventKind.STATE_CHANGED), (6, EventKind.TOMBSTONE)]
        opened(rig).commit(puts={}, append=[event(900)])

    play(body)


def test_a_message_that_is_damaged_while_the_agent_runs_holds_nothing_up(folder: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=7)
        rig.start()
        opened(rig).fade(6)
        await connected(rig)
        assert told(rig)[1:] == [(6, EventKind.TOMBSTONE), (7, EventKind.STATE_CHANGED)]
        assert rig.logbook.counts["message-lost"] == 1

    play(body)


MISSING = {
    "first": ({5}, [(5, 5)]),
    "middle": ({6, 7}, [(6, 7)]),
    "last": ({9}, [(9, 9)]),
    "two runs": ({5, 6, 8}, [(5, 6), (8, 8)]),
    "all": ({5, 6, 7, 8, 9}, [(5, 9)]),
}


@pytest.mark.parametrize(("gone", "runs"), MISSING.values(), ids=MISSING)
def test_a_tombstone_stands_for_messages_that_are_gone(
    folder: Path, gone: set[int], runs: list[tuple[int, int]]
) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=9)
        for seq in gone:
            opened(rig).replace(seq, by=None)
        rig.start()
        assert rig.logbook.counts["message-lost"] == len(runs)
        await connected(rig)
        events = rig.sent("event")
        lost = [each for each in events if each.kind is EventKind.TOMBSTONE]
        assert [(each.first_seq, each.last_seq) for each in lost] == runs
        assert {each.seq for each in events} == {5, 6, 7, 8, 9} - gone | {last for _, last in runs}
        assert {(each.reason, each.stream_id) for each in lost} == {(Reason.STATE_CORRUPT, STREAM)}

    play(body)


def test_what_tombstones_stand_for_is_not_missing(folder: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=9)
        opened(rig).replace(7, by=grave(5, 7))
        rig.start()
        await connected(rig)
        assert rig.logbook.counts["message-lost"] == 0
        assert [number for number, _ in told(rig)] == [7, 8, 9]

    play(body)


def grave(first_seq: int, last_seq: int) -> Event:
    return replace(
        event(last_seq),
        kind=EventKind.TOMBSTONE,
        first_seq=first_seq,
        last_seq=last_seq,
        reason=Reason.DROPPED_BY_POLICY,
        stream_id=STREAM,
    )


def test_without_a_journal_nothing_is_made_up(folder: Path) -> None:
    async def body(rig: Rig) -> None:
        rig.disk = Disk(folder)
        rig.disk.commit(puts={}, append=[event(1), event(2)])
        spoil(rig, 1)
        rig.start()
        await connected(rig)
        await rig.wait_s(RESEND_S)
        assert rig.sent("event") == []
        assert rig.logbook.counts["outbox-not-mended"] == 1
        assert rig.logbook.counts["outbox-stuck"] >= 1

    play(body)


def test_check_warns_of_what_is_lost_and_of_nothing_else(folder: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, folder, acknowledged=4, last_seq=9)
        for seq in (5, 7):
            spoil(rig, seq)
        report = Report()
        _messages(opened(rig), report)
        lost = [warning.partition("that message ")[2] for warning in report.warnings]
        assert lost == ["5 is lost)", "7 is lost)"]
        assert report.problems == []

    play(body)
