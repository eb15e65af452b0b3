"""Sequence numbers, acknowledgements, tombstones, and what a broken disk does to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.durable.unsaved import KEPT, Unsaved
from tcu_agent.core.effects import Persist, SendMessage, ShowCallState, TransmitUnlock
from tcu_agent.core.events import EffectFailed
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.step import Step
from tcu_agent.errors import BugError
from tcu_agent.protocol import cbor
from tcu_agent.protocol.messages import Challenge, Event
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason, Service
from tests.core.driver import FRESH_EVERY_S, Driver, Failure
from tests.protocol import signing


def is_persist(effect: object) -> bool:
    return isinstance(effect, Persist)


def ack(car: Driver, seq: int, stream_id: bytes | None = None) -> None:
    stream = car.core._parts.journal.stream_id if stream_id is None else stream_id
    car.receive("ack", signing.sign(car.centre.ack(seq, stream)))


def test_numbers_begin_at_one_and_have_no_gaps(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.restart()
    assert [message.seq for message in car.appended()] == list(
        range(1, len(list(car.appended())) + 1)
    )
    assert {message.stream_id for message in car.appended()} == {car.core._parts.journal.stream_id}


def test_a_new_store_is_a_new_stream() -> None:
    assert Driver().core.snapshot()["stream_id"] != Driver(boots=5).core.snapshot()["stream_id"]


def test_the_first_event_of_a_boot_says_so(car: Driver) -> None:
    car.restart()
    first, second = car.events(EventKind.STARTED)
    assert (first.seq, first.reason) == (1, Reason.NONE)
    assert first.boot_id != second.boot_id
    assert second.boot_time_ms == round(car.now * 1000)
    assert second.wall_time_ms == round((car.wall or 0) * 1000)


@pytest.mark.parametrize("path", [*vss.POSITION_PATHS, vss.FIX_AGE_S])
@pytest.mark.parametrize(
    "kind", [EventKind.TOWED, EventKind.STATE_CHANGED, EventKind.ON_CALL_PRESSED]
)
def test_no_event_can_hold_a_place(car: Driver, kind: EventKind, path: str) -> None:
    """Whatever asks for it: where the car is leaves it only sealed."""
    journal = car.core._parts.journal
    with pytest.raises(BugError, match="place"):
        journal.report(Step(now=1.0, wall=None), kind, values={vss.TOW_SEEN_AT: 1, path: 1})
    event = journal.outside(kind, at=1.0, wall=None, incident_id=None)
    with pytest.raises(BugError, match="place"):
        replace(event, values={path: None})


def test_an_unknown_wall_clock_is_told_as_zero() -> None:
    car = Driver(wall_offset=None)
    assert car.events(EventKind.STARTED)[0].wall_time_ms == 0


def test_an_acknowledgement_drops_what_is_stored(car: Driver) -> None:
    last = car.core._parts.journal.last_seq
    ack(car, last - 1)
    assert set(car.outbox) == {last}
    ack(car, last - 1)
    ack(car, last - 2)
    assert [each.acknowledged for each in car.seen(Persist) if each.acknowledged] == [last - 1]
    car.restart()
    assert car.core.snapshot()["acknowledged"] == last - 1


@pytest.mark.parametrize(
    ("beyond", "stream_id", "reason"),
    [(0, bytes(8), Reason.UNKNOWN_STREAM), (1, None, Reason.BEYOND_SENT)],
)
def test_a_foreign_acknowledgement_drops_nothing(
    car: Driver, beyond: int, stream_id: bytes | None, reason: Reason
) -> None:
    kept = dict(car.outbox)
    ack(car, car.core._parts.journal.last_seq + beyond, stream_id)
    assert car.outbox == kept
    assert car.refusals == [reason]


# ---------------------------------------------------------------- a disk that does not take it


def test_what_was_not_durable_comes_later_in_order(car: Driver) -> None:
    car.failures.append(Failure(is_persist, times=3))
    for open_ in (True, False):
        car.change({vss.DOORS_OPEN[0]: open_})
    assert car.core.snapshot()["is_durable"] is False
    car.pass_time(3)
    assert car.core.snapshot()["is_durable"] is True
    seqs = [message.seq for message in car.appended()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [e.values for e in car.events(EventKind.STATE_CHANGED)][-2:] == [
        {vss.DOORS_OPEN[0]: True},
        {vss.DOORS_OPEN[0]: False},
    ]


def test_an_acknowledgement_that_was_not_durable_comes_later(car: Driver) -> None:
    last = car.core._parts.journal.last_seq
    car.failures.append(Failure(is_persist))
    ack(car, last)
    car.pass_time(1)
    assert car.outbox == {}
    assert [each.acknowledged for each in car.seen(Persist) if each.acknowledged] == [last]


def test_a_newer_acknowledgement_replaces_one_that_was_not_durable(car: Driver) -> None:
    last = car.core._parts.journal.last_seq
    car.failures.append(Failure(is_persist))
    ack(car, last - 1)
    ack(car, last)
    assert car.outbox == {}


def test_it_is_tried_again_each_second_and_not_faster(car: Driver) -> None:
    attempts: list[float] = []

    def broken(effect: object) -> bool:
        if is_persist(effect):
            attempts.append(car.now)
        return is_persist(effect)

    car.failures.append(Failure(broken, times=100))
    car.change({vss.DOORS_OPEN[0]: True})
    car.pass_time(5, quiet=True)
    assert len(attempts) == 6


def test_too_much_becomes_a_tombstone_but_not_a_press_or_a_result(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.failures.append(Failure(is_persist, times=10_000))
    car.pass_time(0.2)
    car.locks(False)
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(0.2)
    for count in range(KEPT):
        car.change({vss.DOORS_OPEN[0]: count % 2 == 0})
    car.failures.clear()
    before = len(list(car.appended()))
    car.pass_time(2)
    late = list(car.appended())[before:]
    assert len(late) < KEPT
    covered = [
        seq
        for message in late
        for seq in range(getattr(message, "first_seq", None) or message.seq, message.seq + 1)
    ]
    assert covered == list(range(covered[0], covered[-1] + 1))
    assert car.results[0].outcome is Outcome.EXECUTED
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1
    tombstone = car.events(EventKind.TOMBSTONE)[-1]
    assert tombstone.reason is Reason.DROPPED_BY_POLICY
    assert tombstone.last_seq == tombstone.seq


def test_what_stands_behind_a_failed_transaction_is_judged_one_by_one(car: Driver) -> None:
    request = car.ask(Service.UNLOCK)
    car.fall_asleep()
    car.receive("grant", car.grant_for(request))
    car.failures.append(Failure(is_persist))
    car.signals[vss.DOORS_OPEN[0]] = True  # an event and the frame in one step
    car.wake_up()
    assert car.unlock_frames == []
    car.pass_time(1.1)
    assert car.unlock_frames == []
    assert (car.results[0].outcome, car.results[0].reason) == (
        Outcome.FAILED,
        Reason.TRANSMIT_FAILED,
    )


def test_what_needs_no_protection_goes_on_behind_a_failed_transaction(car: Driver) -> None:
    car.failures.append(Failure(is_persist))
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(0.1)
    assert isinstance(car.done[-1][1], ShowCallState | SendMessage)
    assert car.shown[-1].call_state.name == "REQUESTED"


def test_effects_behind_a_failed_message_go_on(car: Driver) -> None:
    car.failures.append(Failure(lambda effect: isinstance(effect, SendMessage)))
    request = car.ask(Service.UNLOCK)
    assert car.sent(Challenge) == []
    assert car.refusals == [Reason.STATE_CORRUPT]
    assert request.request_id


def test_a_failure_of_something_else_is_noted(car: Driver) -> None:
    car.put(EffectFailed(object(), "?", may_have_happened=True))
    assert "not-done" in car.notes
    assert not any(isinstance(effect, TransmitUnlock) for _, effect in car.done)


# ---------------------------------------------------------------- tombstones


def _events(*seqs: int) -> list[Event]:
    journal = Journal(vehicle_id="car-1", boot_id=bytes(8), stream_id=bytes(8))
    step = Step(now=1.0, wall=2.0)
    for _ in range(max(seqs)):
        journal.report(step, EventKind.STATE_CHANGED)
    return [each for each in step.appended if isinstance(each, Event) and each.seq in seqs]


def test_a_tombstone_covers_consecutive_numbers(car: Driver) -> None:
    journal = car.core._parts.journal
    first = journal.tombstone(_events(3, 4), Reason.DROPPED_BY_POLICY)
    assert (first.seq, first.first_seq, first.last_seq) == (4, 3, 4)
    assert (first.boot_time_ms, first.wall_time_ms) == (1000, 2000)
    again = journal.tombstone([first, *_events(5)], Reason.DROPPED_BY_POLICY)
    assert (again.seq, again.first_seq, again.last_seq) == (5, 3, 5)


def test_a_tombstone_over_results_has_no_time(car: Driver) -> None:
    car.locks(False)
    car.allow(Service.UNLOCK)
    car.pass_time(FRESH_EVERY_S)
    tombstone = car.core._parts.journal.tombstone(car.results, Reason.DROPPED_BY_POLICY)
    assert (tombstone.boot_time_ms, tombstone.wall_time_ms) == (0, 0)


@pytest.mark.parametrize("seqs", [(), (1, 3)])
def test_a_tombstone_never_hides_a_gap(car: Driver, seqs: tuple[int, ...]) -> None:
    with pytest.raises(BugError):
        car.core._parts.journal.tombstone(_events(*seqs) if seqs else [], Reason.DROPPED_BY_POLICY)


def test_where_telemetry_is_not_enough_security_events_go_but_no_deed(car: Driver) -> None:
    car.locks(False)
    car.allow(Service.UNLOCK)
    car.pass_time(FRESH_EVERY_S)
    (deed,) = car.results
    journal = Journal(vehicle_id="car-1", boot_id=bytes(8), stream_id=bytes(8))
    step = Step(now=1.0, wall=2.0)
    journal.report(step, EventKind.STARTED)
    for _ in range(KEPT + 1):
        journal.report(step, EventKind.SECURITY)
    started = step.appended[0]
    unsaved = Unsaved(car.core._parts.journal)
    unsaved.keep(Persist(puts={}, append=(deed, *step.appended)), now=1.0)
    later = Step(now=100.0, wall=None)
    unsaved.merge_into(later)
    assert later.appended[:2] == [deed, started]
    (tombstone,) = later.appended[2:]
    assert isinstance(tombstone, Event)
    assert (tombstone.first_seq, tombstone.last_seq) == (2, KEPT + 2)


def test_nothing_unsaved_leaves_a_step_alone(car: Driver) -> None:
    step = Step(now=1.0, wall=None)
    unsaved = Unsaved(car.core._parts.journal)
    unsaved.merge_into(step)
    assert not step.has_writes
    unsaved.keep(Persist(puts={"key": b"1"}), now=1.0)
    unsaved.merge_into(step)
    assert not step.has_writes
    step.put("key", b"2")
    unsaved.merge_into(step)
    assert step.puts == {"key": b"2"}
    assert unsaved.is_empty


def test_the_journal_is_one_record(car: Driver) -> None:
    reader = records.RecordReader(car.stored[records.JOURNAL], key=records.JOURNAL, schema=1)
    assert reader.take(bytes) == car.core._parts.journal.stream_id
    assert reader.take(int) == car.core._parts.journal.last_seq


@pytest.mark.parametrize("damage", [b"\xff", cbor.encode([99]), records.pack(1, bytes(8), -1, 0)])
@pytest.mark.parametrize("has_messages", [True, False])
def test_a_journal_that_cannot_be_read_does_not_heal_itself(
    car: Driver, damage: bytes, has_messages: bool
) -> None:
    """A new one over it would be taken for a whole state by the next start, and the evidence would be gone."""
    if not has_messages:
        car.outbox.clear()
    car.stored[records.JOURNAL] = damage
    for _ in range(3):
        car.restart()
        assert car.core.snapshot()["is_corrupt"] is True
        assert car.stored[records.JOURNAL] == damage
        if not has_messages:
            assert car.events(EventKind.STARTED)[-1].reason is Reason.STATE_CORRUPT
            ack(car, car.core._parts.journal.last_seq)
            assert car.outbox == {}


def test_a_journal_beside_a_corrupt_record_goes_on(car: Driver) -> None:
    car.stored[records.MARKS] = b"\xff"
    car.restart()
    last_seq = car.core._parts.journal.last_seq
    car.restart()
    assert car.events(EventKind.STARTED)[-1].seq == last_seq + 1
