"""Durable records: what is written is read, and everything else is refused without an accident."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.core import vss
from tcu_agent.core.availability.record import ParkedRecord
from tcu_agent.core.call.record import CallRecord
from tcu_agent.core.durable import records
from tcu_agent.core.effects import RECORD_CORRUPT, RECORD_FORGOTTEN, Note
from tcu_agent.core.events import Value
from tcu_agent.core.position.least_wall import LeastWall
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.core.theft.alarm_record import AlarmRecord
from tcu_agent.core.theft.tow_record import TowRecord
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.core.unlock.relock_record import RelockRecord
from tcu_agent.errors import StorageError
from tcu_agent.protocol import cbor
from tcu_agent.protocol.messages import Common, PositionParameters
from tcu_agent.protocol.vocabulary import CallState, PositionKind, Service
from tests.core.driver import Driver
from tests.protocol import signing

COMMON = Common(
    vehicle_id="car-1",
    service=Service.UNLOCK,
    request_id=signing.id16("request"),
    nonce=signing.id16("nonce"),
    boot_id=bytes(8),
)
INTENT = UnlockIntent(
    common=COMMON, incident_id=signing.id16("incident"), grant_hash=bytes(32), is_firing=True
)
RELOCK = RelockRecord(
    request_id=COMMON.request_id,
    incident_id=INTENT.incident_id,
    due_at=1234.5,
    boot_session="session",
)
POSITION = PositionRecord(
    common=COMMON,
    parameters=PositionParameters(PositionKind.TRACKING, 60, 600),
    case_id=signing.id16("case"),
    grant_hash=bytes(32),
    boot_session="session",
    stop_at=1600.0,
    remaining_s=540.25,
    saved_wall=1.8e9,
)
CALL = CallRecord(
    incident_id=INTENT.incident_id,
    boot_id=bytes(8),
    boot_session="session",
    pressed_at=1000.0,
    pressed_wall=None,
    state=CallState.RINGING,
    last_seq=3,
)
ALARM = AlarmRecord(due_at=1030.0, boot_session="session", is_told=False)
TOW = TowRecord(seen_wall=1.8e9)
PARKED = ParkedRecord(parked_at=1000.0, boot_session="session", parked_wall=1.8e9, elapsed_s=60.0)
RECORDS = [INTENT, RELOCK, POSITION, CALL, ALARM, TOW, PARKED]
NOTHING_REMOTE = {records.CALL, records.ALARM, records.TOW, records.PARKED}
"""Keys of records that no remote service rests on."""


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: type(each).__name__)
def test_what_is_written_is_read(record: UnlockIntent) -> None:
    assert type(record).from_bytes(record.to_bytes()) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: type(each).__name__)
def test_every_damage_to_a_field_is_refused(record: UnlockIntent) -> None:
    fields = cbor.decode(record.to_bytes())
    assert isinstance(fields, list)
    for place in range(len(fields)):
        damaged: list[cbor.CborValue] = list(fields)
        damaged[place] = ["no scalar"]
        with pytest.raises(StorageError):
            type(record).from_bytes(cbor.encode(damaged))
        with pytest.raises(StorageError):
            type(record).from_bytes(cbor.encode(fields[:place]))
    with pytest.raises(StorageError):
        type(record).from_bytes(cbor.encode([*fields, None]))


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: type(each).__name__)
def test_a_newer_schema_is_refused_and_named(record: UnlockIntent) -> None:
    fields = cbor.decode(record.to_bytes())
    assert isinstance(fields, list)
    fields[0] = 2
    with pytest.raises(StorageError, match="schema version 2"):
        type(record).from_bytes(cbor.encode(fields))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    kinds = (UnlockIntent, RelockRecord, PositionRecord, CallRecord, AlarmRecord, TowRecord)
    for kind in (*kinds, ParkedRecord):
        with pytest.raises(StorageError):
            kind.from_bytes(data)


@pytest.mark.parametrize(
    "fields",
    [
        [1, "car-1", 99],  # no such service
        [1, "car-1", True],  # a bool is no number
        {0: 1},
    ],
)
def test_values_outside_their_kind_are_refused(fields: cbor.CborValue) -> None:
    with pytest.raises(StorageError, match="unlock: corrupt"):
        UnlockIntent.from_bytes(cbor.encode(fields))


@pytest.mark.parametrize("state", [CallState.IDLE, CallState.ENDED, CallState.FAILED])
def test_a_call_that_is_over_is_no_record(state: CallState) -> None:
    record = CallRecord(
        incident_id=bytes(16),
        boot_id=bytes(8),
        boot_session="",
        pressed_at=0.0,
        pressed_wall=1.0,
        state=state,
    )
    with pytest.raises(StorageError):
        CallRecord.from_bytes(record.to_bytes())


def everything_stored(car: Driver) -> list[str]:
    """Let every kind of record come into being; return their keys."""
    place: dict[str, Value] = {vss.LATITUDE: 1.0, vss.LONGITUDE: 2.0, vss.FIX_TYPE: "THREE_D"}
    car.change({vss.ALARM: "triggered", **place})
    car.change({vss.LATITUDE: 2.0})
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(0.2)
    car.allow(Service.UNLOCK, parameters=signing.ARMED)
    car.allow(Service.POSITION, parameters=signing.TRACKING)
    car.pass_time(11)
    car.change({"Vehicle.TCU.OnCall.IsButtonPressed": True})
    car.pass_time(0.2)
    return list(car.stored)


NEWER = cbor.encode([99])


def told_by(car: Driver, effects: int) -> list[tuple[str, str]]:
    """Return which records a start has called unreadable, behind so many effects; it must say the same to who asks."""
    notes = [each for _, each in car.done[effects:] if isinstance(each, Note)]
    told = [(note.word, str(note.fields["record"])) for note in notes if "record" in note.fields]
    assert car.core.corrupt == tuple(record for _, record in told)
    return told


@pytest.mark.parametrize("damage", [b"", b"\xff", NEWER, cbor.encode([1]), cbor.encode([1, b"x"])])
def test_damage_to_any_one_record_fails_closed_and_never_raises(car: Driver, damage: bytes) -> None:
    keys = everything_stored(car)
    assert {key.split("/")[0] for key in keys} == {
        records.JOURNAL, records.MARKS, records.UNLOCK, "outcome", records.RELOCK,
        records.POSITION, "position-case", records.CALL, records.ACCOUNT, records.TRUST,
        records.ALARM, records.TOW, records.PARKED,
    }  # fmt: skip
    good = dict(car.stored)
    outbox = dict(car.outbox)
    for key in keys:
        car.stored = {**good, key: damage}
        car.outbox = dict(outbox)
        car.signals["Vehicle.TCU.OnCall.IsButtonPressed"] = False
        effects = len(car.done)
        car.restart()
        assert car.core.snapshot()["is_corrupt"] is (key not in NOTHING_REMOTE), key
        ((word, record),) = told_by(car, effects)
        assert word == (RECORD_FORGOTTEN if key in NOTHING_REMOTE else RECORD_CORRUPT)
        assert key.startswith(record)
        before = len(car.unlock_frames)
        car.receive("grant", b"")
        car.pass_time(5)
        assert len(car.unlock_frames) == before


def test_a_start_that_can_read_everything_says_nothing(car: Driver) -> None:
    everything_stored(car)
    effects = len(car.done)
    car.restart()
    assert told_by(car, effects) == []


def test_an_outcome_that_is_no_result_is_corrupt(car: Driver) -> None:
    car.stored[records.OUTCOME_PREFIX + "00"] = records.pack(1, b"\xa0")
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is True


def test_an_account_that_is_none_is_corrupt(car: Driver) -> None:
    car.stored[records.ACCOUNT] = records.pack(1, b"\xa0")
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is True


def test_a_bundle_of_other_roots_is_not_trusted(car: Driver) -> None:
    others = [signing.Party(f"other root {number}") for number in range(2)]
    car.stored[records.TRUST] = signing.trust_container(signers=others)
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is True
    assert car.core._parts.knowledge.keyring is None


NO_MESSAGE_COULD_CARRY: list[
    tuple[UnlockIntent | PositionRecord | CallRecord, int, cbor.CborValue]
] = [
    (INTENT, 1, ""),
    (INTENT, 1, "no name"),
    (INTENT, 3, bytes(15)),
    (INTENT, 4, bytes(17)),
    (INTENT, 5, bytes(7)),
    (INTENT, 7, b""),
    (POSITION, 7, 0),
    (POSITION, 7, None),
    (POSITION, 8, -600),
    (CALL, 7, -1),
    (CALL, 7, 2**52 + 1),
]


@pytest.mark.parametrize(("record", "place", "value"), NO_MESSAGE_COULD_CARRY)
def test_what_no_message_could_carry_is_refused_at_the_start(
    record: UnlockIntent, place: int, value: cbor.CborValue
) -> None:
    """Else the report of what a restart cut off could not be built, and each start would end the same way."""
    fields = cbor.decode(record.to_bytes())
    assert isinstance(fields, list)
    fields[place] = value
    with pytest.raises(StorageError, match="corrupt"):
        type(record).from_bytes(cbor.encode(fields))


def test_how_low_the_wall_clock_stood_is_known_only_if_it_was_stored() -> None:
    assert replace(POSITION, saved_wall=None).least_wall == LeastWall()
    assert replace(POSITION, saved_wall=5000.0).least_wall.offset_s == 5000.0 - (1600.0 - 540.25)
