"""Events and results: stored once, acknowledged up to the first gap, tombstones close gaps, ON CALL is never lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcu_sim.centre.command.records import RecordBook
from tcu_sim.centre.command.schema import SCHEMA
from tcu_sim.centre.store import IN_MEMORY, open_store
from tcu_sim.wire.envelope import Verified, payload_of
from tcu_sim.wire.messages import Event
from tcu_sim.wire.numbers import Told
from tests.centre.conftest import Play
from tests.centre.town import CAR, MovableClock, Town

STREAM = b"stream-1"


def event(seq: int, *, covers_from: int | None = None, stream: bytes = STREAM) -> Verified[Event]:
    message = Event(
        vehicle_id=CAR,
        boot_id=bytes(8),
        kind=Told.STARTED if covers_from is None else Told.TOMBSTONE,
        seq=seq,
        boot_time_ms=seq,
        wall_time_ms=0,
        values={},
        first_seq=covers_from,
        last_seq=None if covers_from is None else seq,
        stream_id=stream,
        reason=0,
    )
    return Verified(message, payload_of(message))


class Book:
    """A record book with shorter words."""

    def __init__(self) -> None:
        self.store = open_store(IN_MEMORY, SCHEMA)
        self.book = RecordBook(store=self.store, clock=MovableClock())

    def keep(self, *seqs: int) -> int:
        for seq in seqs:
            self.book.keep(event(seq))
        return self.acked

    @property
    def acked(self) -> int:
        ack = self.book.ack(CAR, STREAM)
        return 0 if ack is None else ack.seq


@pytest.fixture
def book() -> Iterator[Book]:
    book = Book()
    yield book
    book.store.close()


def test_nothing_beyond_a_gap_is_acknowledged(book: Book) -> None:
    assert [book.keep(1), book.keep(2), book.keep(4), book.keep(4), book.keep(3)] == [1, 2, 2, 2, 4]


def test_a_gap_is_shown(book: Book) -> None:
    book.keep(1, 3)
    assert book.book.gaps(CAR) == [(STREAM, 2)]
    book.keep(2)
    assert book.book.gaps(CAR) == []


def test_a_tombstone_closes_the_gap_that_it_covers(book: Book) -> None:
    book.keep(1, 5)
    book.book.keep(event(3, covers_from=2))
    assert book.acked == 3
    book.book.keep(event(4, covers_from=2))
    assert book.acked == 5


def test_a_tombstone_closes_a_gap_also_where_its_own_number_had_arrived(book: Book) -> None:
    book.keep(1, 3)
    book.book.keep(event(3, covers_from=2))
    assert book.acked == 3


def test_streams_are_apart(book: Book) -> None:
    book.keep(1, 2)
    book.book.keep(event(1, stream=b"stream-2"))
    assert book.acked == 2
    ack = book.book.ack(CAR, b"stream-2")
    assert ack is not None
    assert ack.seq == 1


def test_what_a_number_meant_first_stands(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.keep(1)
    changed = replace(event(1).message, reason=90)
    assert not book.book.keep(Verified(changed, payload_of(changed)))
    assert len(book.book.listing(CAR)) == 1
    assert "two records" in caplog.text


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(1, 9)), st.integers(0, 7))
def test_in_any_order_all_is_acknowledged_in_the_end_and_never_too_much(
    order: list[int], repeated: int
) -> None:
    book, seen = Book(), set()
    for seq in [*order, order[repeated]]:
        seen.add(seq)
        whole = next(n for n in range(10) if n + 1 not in seen)
        assert book.keep(seq) == whole
    assert book.acked == 8
    book.store.close()


def test_an_on_call_press_that_could_not_be_numbered_is_heard(play: Play) -> None:
    async def story(town: Town) -> None:
        incidents = set()
        for number in (1, 2):
            town.car.seq = -1  # the next event has number 0: the car's store is full
            incidents.add(
                (
                    await town.car.tell(Told.ON_CALL_PRESSED, incident_id=bytes([number]) * 16)
                ).incident_id
            )
        await town.settle()
        assert {i.incident_id for i in await town.operator.incidents(CAR)} == incidents
        assert town.car.acks == []
        assert len(town.car.calls) == 2

    play(story)


def test_a_repeated_event_opens_no_second_call_but_is_acknowledged_again(play: Play) -> None:
    async def story(town: Town) -> None:
        sent = await town.car.tell(Told.ON_CALL_PRESSED, incident_id=bytes(16))
        for _ in range(2):
            await town.car.say(sent)
        await town.settle()
        assert len(town.car.calls) == 1
        assert [ack.seq for ack in town.car.acks] == [1, 1, 1]

    play(story)


def test_hanging_up_closes_the_incident(play: Play) -> None:
    async def story(town: Town) -> None:
        incident_id = await town.call_on_call()
        await town.car.tell(Told.HANG_UP, incident_id=incident_id)
        await town.settle()
        assert await town.operator.incidents(CAR) == []

    play(story)


def test_what_another_car_or_nobody_signed_is_not_kept(play: Play) -> None:
    async def story(town: Town) -> None:
        data = await town.other_car.say(await town.other_car.tell(Told.STARTED))
        for payload in (data, b"", b"\xd2", data[:-1], bytes(9000)):
            for word in ("event", "result", "challenge", "refusal", "availability", "position"):
                town.centre.feed(f"tcu/v1/{CAR}/up/{word}", payload)
        town.centre.feed("tcu/v1/strange", data)
        await town.settle()
        assert await town.operator.records(CAR) == []
        assert (await town.operator.records("car-2")) != []

    play(story)
