"""What survives a power cut, and what waits until it can: differences that no other test noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcu_agent.core.durable import records
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.durable.restore import OpenMatters, restore
from tcu_agent.core.durable.unsaved import KEPT, Unsaved
from tcu_agent.core.effects import Note, Persist, SendMessage
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.reports import STATE_WAITING
from tcu_agent.core.step import Step
from tcu_agent.errors import StorageError
from tcu_agent.protocol.messages import Event, Refusal, Result
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason, Service
from tests.core import test_records
from tests.core.driver import Driver, Failure, settings
from tests.core.parked import HOUR_S, LISTEN_S, parked, until
from tests.core.test_account import account_with_evidence
from tests.protocol.signing import ARMED


def reader(*fields: records.Scalar, schema: int = 3) -> records.RecordReader:
    return records.RecordReader(records.pack(schema, *fields), key="a-key", schema=3)


@pytest.mark.parametrize("number", [0, records.LARGEST])
def test_a_number_is_read_up_to_its_limits(number: int) -> None:
    assert reader(number).take_number() == number


@pytest.mark.parametrize("number", [-1, records.LARGEST + 1])
def test_a_number_beyond_its_limits_is_corrupt(number: int) -> None:
    with pytest.raises(StorageError):
        reader(number).take_number()


def test_an_optional_field_that_is_missing_is_not_null() -> None:
    assert reader(None).take_optional(int) is None
    with pytest.raises(StorageError):
        reader().take_optional(int)


def test_only_a_newer_schema_asks_for_another_agent() -> None:
    with pytest.raises(StorageError) as newer:
        reader(schema=4)
    assert str(newer.value).endswith(
        "a-key: schema version 4, this agent knows 3; start the agent that wrote it"
    )
    with pytest.raises(StorageError) as older:
        reader(schema=2)
    assert str(older.value).endswith("a-key: schema version 2, this agent knows 3")


@pytest.mark.parametrize("time_s", [-1.0, 0.0, None])
def test_a_time_that_no_message_can_carry_is_told_as_not_known(time_s: float | None) -> None:
    assert records.told_ms(time_s) == 0


# ---------------------------------------------------------------- what ends, and who is told


def test_the_end_of_the_subscription_gives_up_an_armed_unlock(car: Driver) -> None:
    car.allow(Service.UNLOCK, parameters=ARMED)
    car.ask(Service.END_SUBSCRIPTION)
    car.receive("account", account_with_evidence(car, subscription_active=False))
    unlock, ending = car.results
    assert (unlock.outcome, unlock.reason) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    assert (ending.common.service, ending.outcome) == (Service.END_SUBSCRIPTION, Outcome.EXECUTED)
    assert records.UNLOCK not in car.stored


def refused(car: Driver) -> list[tuple[Reason, bytes | None]]:
    return [(each.reason, each.request_id) for each in car.sent(Refusal)]


def test_a_challenge_that_could_not_be_sent_is_refused_as_the_answer_to_its_request(
    car: Driver,
) -> None:
    car.failures.append(Failure(lambda effect: isinstance(effect, SendMessage)))
    request = car.ask(Service.UNLOCK)
    assert refused(car) == [(Reason.STATE_CORRUPT, request.request_id)]


def test_a_service_that_this_car_lacks_is_refused_as_the_answer_to_its_request() -> None:
    car = Driver(settings=settings(services=frozenset({Service.STATE})))
    car.provision()
    request = car.ask(Service.UNLOCK)
    assert refused(car) == [(Reason.SERVICE_NOT_AVAILABLE, request.request_id)]


def test_an_unlock_that_comes_too_late_is_refused_as_the_answer_to_its_request() -> None:
    car = parked()
    until(car, LISTEN_S + HOUR_S + 1)
    request = car.ask(Service.UNLOCK)
    assert refused(car) == [(Reason.PARKED_TOO_LONG, request.request_id)]


def test_a_state_that_is_not_told_is_refused_as_the_answer_to_its_request(car: Driver) -> None:
    for _ in range(STATE_WAITING):
        car.ask(Service.STATE)
    request = car.ask(Service.STATE)
    assert refused(car) == [(Reason.BUSY, request.request_id)]


# ---------------------------------------------------------------- what a full disk holds back


def messages(*kinds: EventKind) -> list[Result | Event]:
    """Return one event of each kind, numbered from 1."""
    journal, step = a_journal(), Step(now=1.0, wall=2.0)
    for kind in kinds:
        journal.report(step, kind)
    return step.appended


def a_journal() -> Journal:
    return Journal(vehicle_id="car-1", boot_id=bytes(8), stream_id=bytes(8))


def merged(unsaved: Unsaved) -> list[Result | Event]:
    step = Step(now=100.0, wall=None)
    unsaved.merge_into(step)
    return step.appended


def spans(of: list[Result | Event]) -> list[tuple[int | None, int]]:
    """Return the first number of each tombstone, None for what is none, and the last."""
    return [(each.first_seq if isinstance(each, Event) else None, each.seq) for each in of]


def test_as_many_as_can_be_kept_are_kept() -> None:
    unsaved, kept = Unsaved(a_journal()), messages(*[EventKind.STATE_CHANGED] * KEPT)
    unsaved.keep(Persist(append=tuple(kept)), now=1.0)
    assert merged(unsaved) == kept


def test_where_telemetry_was_enough_security_events_stay() -> None:
    """At exactly what can be kept: a security event for each that can stay beside the tombstone."""
    unsaved = Unsaved(a_journal())
    telemetry, security = [EventKind.STATE_CHANGED] * 2, [EventKind.SECURITY] * (KEPT - 1)
    unsaved.keep(Persist(append=tuple(messages(*telemetry, *security))), now=1.0)
    assert spans(merged(unsaved)) == [(1, 2), *[(None, seq) for seq in range(3, KEPT + 2)]]


def test_a_tombstone_becomes_part_of_a_larger_one_and_security_events_stay() -> None:
    unsaved = Unsaved(a_journal())
    security, telemetry = [EventKind.SECURITY] * (KEPT - 2), [EventKind.STATE_CHANGED] * 5
    all_of = messages(*security, *telemetry)
    for part in (all_of[:-2], all_of[-2:]):
        unsaved.keep(Persist(append=tuple(part)), now=1.0)
    assert spans(merged(unsaved)) == [
        *[(None, seq) for seq in range(1, KEPT - 1)],
        (KEPT - 1, KEPT + 3),
    ]


# ---------------------------------------------------------------- what a start reads back

OPEN = {
    records.UNLOCK: test_records.INTENT.to_bytes(),
    records.RELOCK: test_records.RELOCK.to_bytes(),
    records.POSITION: test_records.POSITION.to_bytes(),
    records.CALL: test_records.CALL.to_bytes(),
    records.ALARM: test_records.ALARM.to_bytes(),
    records.TOW: test_records.TOW.to_bytes(),
    records.PARKED: test_records.PARKED.to_bytes(),
}


def test_each_open_matter_is_read_from_its_own_record() -> None:
    parts = Driver().core._parts
    assert restore(parts, OPEN) == OpenMatters(
        unlock=test_records.INTENT,
        relock=test_records.RELOCK,
        position=test_records.POSITION,
        call=test_records.CALL,
        alarm=test_records.ALARM,
        tow=test_records.TOW,
        parked=test_records.PARKED,
    )
    assert parts.is_corrupt is False


@pytest.mark.parametrize(
    "key",
    [
        records.JOURNAL,
        records.OUTCOME_PREFIX,
        records.TRUST,
        records.ACCOUNT,
        records.MARKS,
        records.CASE_PREFIX,
        *OPEN,
    ],
)
def test_a_record_that_cannot_be_read_is_remembered_by_its_key(key: str) -> None:
    stored = {key + "0f" * records.ID_BYTES if key.endswith("/") else key: b"corrupt"}
    parts = Driver().core._parts
    assert restore(parts, stored) == OpenMatters(corrupt=[key])
    assert parts.is_corrupt is (key not in test_records.NOTHING_REMOTE)


def test_without_a_state_that_can_be_read_everything_remote_is_closed() -> None:
    parts = Driver().core._parts
    assert restore(parts, None) == OpenMatters()
    assert parts.is_corrupt is True


@pytest.mark.parametrize(
    ("key", "read"),
    [
        (records.ACCOUNT, Knowledge.restore_account),
        (records.MARKS, Knowledge.restore_marks),
    ],
)
def test_what_the_car_has_learnt_is_named_where_it_cannot_be_read(
    key: str, read: Callable[[Knowledge, dict[str, bytes]], None]
) -> None:
    with pytest.raises(StorageError, match=f"^{key}: corrupt"):
        read(Knowledge(), {key: b"corrupt"})


# ---------------------------------------------------------------- what is not looked at is named


def details(car: Driver) -> list[object]:
    return [each.fields["detail"] for each in car.seen(Note) if each.word == "refused"]


def test_what_is_refused_unread_is_named_by_its_topic(car: Driver) -> None:
    car.receive("ack", b"", retained=True)
    assert details(car) == ["ack"]
    car.stored[records.MARKS] = b"corrupt"
    car.restart()
    car.receive("grant", b"")
    assert details(car) == ["ack", "grant"]
