"""What must hold after any history of a car, whatever failed and wherever the power was cut."""

from __future__ import annotations

from collections import Counter

from tcu_agent.core.durable import records
from tcu_agent.core.effects import (
    ErasePositions,
    Persist,
    SealPosition,
    TransmitLock,
    TransmitUnlock,
)
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, LockState, Outcome, PositionKind, Service
from tests.core.driver import Driver


def check(car: Driver) -> None:
    """Check everything that can be seen from outside."""
    at_most_once(car)
    intents_first(car)
    positions_in_time(car)
    numbers_without_gaps(car)
    results_are_true(car)


def at_most_once(car: Driver) -> None:
    """G2: one request, one frame; one executed unlock, one lock frame; one request, one result."""
    unlocks = Counter(frame.authorisation.common.request_id for frame in car.unlock_frames)
    assert all(count == 1 for count in unlocks.values())
    results = Counter(result.common.request_id for result in car.results)
    assert all(count == 1 for count in results.values())
    executed = {r.common.request_id for r in car.results if r.outcome is Outcome.EXECUTED}
    locks = Counter(frame.authorisation.request_id for frame in car.lock_frames)
    assert all(count == 1 for count in locks.values())
    assert set(locks) <= executed


def intents_first(car: Driver) -> None:
    """Nothing moves and nothing is sealed whose intent was not durable before, and is not still open."""
    store: dict[str, bytes] = {}
    for _, effect in car.done:
        if isinstance(effect, Persist):
            store.update({key: value for key, value in effect.puts.items() if value is not None})
            for key in (key for key, value in effect.puts.items() if value is None):
                store.pop(key, None)
        elif isinstance(effect, TransmitUnlock):
            intent = UnlockIntent.from_bytes(store[records.UNLOCK])
            assert intent.common == effect.authorisation.common
            assert intent.is_firing
        elif isinstance(effect, SealPosition):
            record = PositionRecord.from_bytes(store[records.POSITION])
            assert record.common == effect.authorisation.common
        elif isinstance(effect, TransmitLock):
            assert records.RELOCK in store


def positions_in_time(car: Driver) -> None:
    """No position before acceptance, none from the stop time on; the numbers of a case have no gap until it ends."""
    stop_at: dict[bytes, float] = {}
    seqs: list[tuple[bytes, int]] = []
    for at, effect in car.done:
        if isinstance(effect, Persist) and (data := effect.puts.get(records.POSITION)):
            record = PositionRecord.from_bytes(data)
            if record.parameters.kind is PositionKind.TRACKING:
                first = at + (record.parameters.duration_s or 0)
                request_id = record.common.request_id
                stop_at[request_id] = min(stop_at.get(request_id, first), first)
        elif isinstance(effect, SealPosition):
            request_id = effect.authorisation.common.request_id
            assert at < stop_at.get(request_id, float("inf"))
            case_id = effect.authorisation.case_id
            assert effect.seq == sum(case == case_id for case, _ in seqs) + 1, "a gap, or again"
            seqs.append((case_id, effect.seq))
        elif isinstance(effect, ErasePositions) and effect.up_to_seq is None:
            seqs = [(case_id, seq) for case_id, seq in seqs if case_id != effect.case_id]


def numbers_without_gaps(car: Driver) -> None:
    """Every number of the stream is given out once, in order."""
    expected = 1
    for message in car.appended():
        first = message.first_seq if isinstance(message, Event) else None
        assert (message.seq if first is None else first) == expected
        expected = message.seq + 1


def results_are_true(car: Driver) -> None:
    """G4: executed means that every lock was seen unlocked (a position: that a fix was sealed)."""
    sealed = {position.authorisation.common.request_id for position in car.positions}
    for result in car.results:
        if result.outcome is not Outcome.EXECUTED:
            continue
        if result.common.service is Service.UNLOCK:
            assert set(result.locks.values()) == {LockState.UNLOCKED}
        elif result.common.service is Service.POSITION and not _was_ended_early(car, result):
            assert result.common.request_id in sealed


def _was_ended_early(car: Driver, result: object) -> bool:
    """Whether this is a tracking: it can end before its first fix."""
    common = getattr(result, "common", None)
    return any(
        event.request_id == getattr(common, "request_id", None)
        for event in car.events(EventKind.TRACKING_ENDED)
    )


def nothing_left_open(car: Driver) -> None:
    """After a start and some time, each intent that ever was durable has its result."""
    assert records.UNLOCK not in car.stored
    assert records.POSITION not in car.stored
    assert records.RELOCK not in car.stored
    begun = {
        UnlockIntent.from_bytes(data).common.request_id
        for data in car.persisted(records.UNLOCK)
        if data
    } | {
        PositionRecord.from_bytes(data).common.request_id
        for data in car.persisted(records.POSITION)
        if data
    }
    assert begun <= {result.common.request_id for result in car.results}
