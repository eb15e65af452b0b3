"""Every range where it ends, and every condition between the fields of a message."""

import re

import cbor2
import pytest

from tcu_agent.protocol import codec
from tcu_agent.protocol.codec import MESSAGES
from tcu_agent.protocol.messages import (
    Fix,
    KeyRecord,
    Message,
    Request,
)
from tcu_agent.protocol.vocabulary import FixQuality, Service
from tests.protocol.edges import EDGES, U32
from tests.protocol.samples import SAMPLES
from tests.protocol.signing import COMMAND, PIN_AUTHORITY, THEFT_DESK
from tests.protocol.spoiling import complaint, fields_of

KINDS: dict[str, type[Message]] = {
    codec.topic_type(type(each)): type(each) for each in SAMPLES.values()
}
SAMPLE_OF: dict[str, Message] = {codec.topic_type(type(each)): each for each in SAMPLES.values()}


@pytest.mark.parametrize(
    ("sample", "field", "key", "accepted", "refused"),
    EDGES,
    ids=[f"{sample}.{field}" for sample, field, *_ in EDGES],
)
def test_every_range_ends_where_it_should(
    sample: str, field: str, key: int, accepted: list[object], refused: list[object]
) -> None:
    message = SAMPLES[sample]
    name = codec.topic_type(type(message))
    for value in accepted:
        payload = cbor2.dumps({**fields_of(message), key: value}, canonical=True)
        assert codec.encode(codec.decode(type(message), payload)) == payload
    for value in refused:
        said = complaint(type(message), {**fields_of(message), key: value})
        assert re.match(rf"{name}\.({field}|first_seq)\b", said), said


def test_the_edges_cover_every_field() -> None:
    covered = {(codec.topic_type(type(SAMPLES[sample])), field) for sample, field, *_ in EDGES}
    shared = {"vehicle_id", "service", "request_id", "nonce", "boot_id"}  # one definition for all
    for table in MESSAGES:
        for each in table.fields:
            assert each.name in shared | {"parameters"} or (table.name, each.name) in covered, (
                f"{table.name}.{each.name}"
            )
    assert shared <= {field for _, field, *_ in EDGES}


PARAMETERS = [
    (Service.STATE, {}, True),
    (Service.STATE, {0: 0}, False),
    (Service.END_SUBSCRIPTION, {}, True),
    (Service.END_SUBSCRIPTION, {0: "user-1"}, False),
    (Service.UNLOCK, {0: 0}, True),
    (Service.UNLOCK, {}, False),
    (Service.UNLOCK, {0: 0, 1: 60}, False),
    (Service.UNLOCK, {0: 1}, False),
    (Service.UNLOCK, {0: 1, 1: 10}, True),
    (Service.UNLOCK, {0: 1, 1: 1800}, True),
    (Service.UNLOCK, {0: 1, 1: 9}, False),
    (Service.UNLOCK, {0: 1, 1: 1801}, False),
    (Service.UNLOCK, {0: 2}, False),
    (Service.UNLOCK, {0: True, 1: 60}, False),
    (Service.UNLOCK, {0: "user-1"}, False),
    (Service.UNLOCK, {0: 1, 1: 60, 2: 60}, False),
    (Service.POSITION, {0: 0}, True),
    (Service.POSITION, {0: 0, 1: 60}, False),
    (Service.POSITION, {0: 0, 2: 60}, False),
    (Service.POSITION, {0: 1, 1: 5, 2: 10}, True),
    (Service.POSITION, {0: 1, 1: 3600, 2: 604_800}, True),
    (Service.POSITION, {0: 1, 1: 4, 2: 10}, False),
    (Service.POSITION, {0: 1, 1: 3601, 2: 10}, False),
    (Service.POSITION, {0: 1, 1: 5, 2: 9}, False),
    (Service.POSITION, {0: 1, 1: 5, 2: 604_801}, False),
    (Service.POSITION, {0: 1, 1: 5}, False),
    (Service.POSITION, {0: 1, 2: 10}, False),
    (Service.POSITION, {0: 1}, False),
    (Service.ADD_USER, {0: "user-1"}, True),
    (Service.ADD_USER, {}, False),
    (Service.ADD_USER, {0: ""}, False),
    (Service.ADD_USER, {0: "a b"}, False),
    (Service.APP_LINK, {0: "a" * 32}, True),
    (Service.APP_LINK, {0: "a" * 33}, False),
    (Service.APP_LINK, [], False),
]


@pytest.mark.parametrize(("service", "parameters", "fits"), PARAMETERS)
def test_parameters_are_those_of_the_service(
    service: Service, parameters: object, *, fits: bool
) -> None:
    fields = {**fields_of(SAMPLES[f"request {service.name}"]), 7: parameters}
    payload = cbor2.dumps(fields, canonical=True)
    if fits:
        assert codec.encode(codec.decode(Request, payload)) == payload
    else:
        assert complaint(Request, fields).startswith("request.parameters: ")


CONDITIONS: list[tuple[str, dict[int, object], list[int], str]] = [
    ("grant unlock", {6: b"x"}, [], "grant.approval: belongs to service position"),
    ("event", {11: 1, 12: 2}, [], "event.first_seq, last_seq: belong to a tombstone"),
    ("event", {11: 1}, [], "event.first_seq, last_seq: belong to a tombstone"),
    ("tombstone", {}, [11], "event.first_seq, last_seq: belong to a tombstone"),
    ("tombstone", {}, [12], "event.first_seq, last_seq: belong to a tombstone"),
    ("tombstone", {11: 5, 12: 4}, [], "event.first_seq: above last_seq"),
    ("position", {}, [2], "position.request_id, sealed: both, or neither"),
    ("position", {}, [7], "position.request_id, sealed: both, or neither"),
    ("availability online", {7: 1}, [], "availability.asleep_until_s: belongs to presence asleep"),
]


@pytest.mark.parametrize(("sample", "changed", "dropped", "said"), CONDITIONS)
def test_what_belongs_together_comes_together(
    sample: str, changed: dict[int, object], dropped: list[int], said: str
) -> None:
    fields = {**fields_of(SAMPLES[sample]), **changed}
    for key in dropped:
        del fields[key]
    assert complaint(type(SAMPLES[sample]), fields).startswith(said)


def test_a_grant_for_a_position_may_lack_its_approval() -> None:
    """As a message it may; the verifier has a reason of its own for it."""
    fields = fields_of(SAMPLES["grant position"])
    del fields[6]
    message = codec.decode(KINDS["grant"], cbor2.dumps(fields, canonical=True))
    assert fields_of(message) == fields


KEYS: list[tuple[KeyRecord, dict[int, object], str]] = [
    (COMMAND.key_record(), {0: bytes(8)}, "kid: not the hash of the key"),
    (COMMAND.key_record(), {2: -8}, "public_key: its length is another algorithm's"),
    (PIN_AUTHORITY.key_record(), {2: -7}, "public_key: its length is another algorithm's"),
    (COMMAND.key_record(), {4: bytes(32)}, "hpke_public_key: belongs to the theft desk"),
    (THEFT_DESK.key_record(), {1: 1}, "hpke_public_key: belongs to the theft desk"),
    (THEFT_DESK.key_record(), {4: bytes(31)}, "hpke_public_key: 31 bytes"),
    (COMMAND.key_record(), {0: bytes(7)}, "kid: 7 bytes"),
    (COMMAND.key_record(), {1: 0}, "role: 0 is none of 1, 2, 3, 4"),
    (COMMAND.key_record(), {1: 5}, "role: 5 is none of 1, 2, 3, 4"),
    (COMMAND.key_record(), {2: -9}, "alg: not in -8..-7"),
    (COMMAND.key_record(), {2: -6}, "alg: not in -8..-7"),
    (COMMAND.key_record(), {3: bytes(34)}, "public_key: 34 bytes"),
    (COMMAND.key_record(), {3: bytes(31)}, "public_key: 31 bytes"),
]


@pytest.mark.parametrize(("record", "changed", "said"), KEYS)
def test_a_key_record_is_a_key_with_one_role(
    record: KeyRecord, changed: dict[int, object], said: str
) -> None:
    assert codec.decode(KeyRecord, codec.encode(record)) == record
    assert complaint(KeyRecord, {**fields_of(record), **changed}).startswith(f"key.{said}")


def test_a_theft_desk_without_hpke_key_is_malformed() -> None:
    fields = fields_of(THEFT_DESK.key_record())
    del fields[4]
    assert complaint(KeyRecord, fields).startswith("key.hpke_public_key: belongs to the theft desk")


def test_a_trust_bundle_has_every_kid_once() -> None:
    """Two records of one key with two roles differ, and still share the kid."""
    fields = fields_of(SAMPLES["trust"])
    fields[7].append({**fields_of(COMMAND.key_record()), 1: 3})
    assert complaint(KINDS["trust"], fields) == "trust.keys: a kid twice"


FIXES: list[tuple[dict[int, object], str]] = [
    ({0: 4}, "fix.quality"),
    ({0: 0}, "fix.latitude_e7, longitude_e7"),
    ({2: 900_000_001}, "fix.latitude_e7"),
    ({2: -900_000_001}, "fix.latitude_e7"),
    ({3: 1_800_000_001}, "fix.longitude_e7"),
    ({3: -1_800_000_001}, "fix.longitude_e7"),
    ({1: -1}, "fix.wall_time_ms"),
    ({4: U32 + 1}, "fix.age_ms"),
    ({5: U32 + 1}, "fix.accuracy_cm"),
    ({6: 3600}, "fix.heading_ddeg"),
    ({7: -1}, "fix.speed_ckmh"),
    ({8: 0}, "fix: unknown key"),
]


@pytest.mark.parametrize(("changed", "said"), FIXES)
def test_a_fix_out_of_range_says_which_field_and_never_the_value(
    changed: dict[int, object], said: str
) -> None:
    fix = Fix(quality=FixQuality.FIX_3D, latitude_e7=523_456_789, longitude_e7=134_567_890)
    told = complaint(Fix, {**fields_of(fix), **changed})
    assert told.startswith(said)
    assert not re.search(r"52345|13456|900000001|1800000001", told)


@pytest.mark.parametrize("missing", [2, 3])
def test_a_fix_has_both_coordinates_or_none(missing: int) -> None:
    fix = Fix(quality=FixQuality.FIX_2D, latitude_e7=1, longitude_e7=2)
    fields = fields_of(fix)
    del fields[missing]
    assert complaint(Fix, fields).startswith("fix.latitude_e7, longitude_e7")


def test_a_position_is_not_in_a_fix_repr() -> None:
    fix = Fix(quality=FixQuality.FIX_3D, latitude_e7=523_456_789, longitude_e7=134_567_890)
    assert "523456789" not in repr(fix)
    assert "134567890" not in repr(fix)
