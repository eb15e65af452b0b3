"""Every message, both ways; every field of every message, out of its range, missing, of another type."""

import re
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcu_agent.errors import BugError, MalformedError
from tcu_agent.protocol import cbor, codec
from tcu_agent.protocol.codec import MESSAGES
from tcu_agent.protocol.messages import (
    Ack,
    Event,
    Fix,
    KeyRecord,
    Message,
    Request,
    UnlockParameters,
)
from tcu_agent.protocol.vocabulary import EventKind, FixQuality, Reason, Service, UnlockMode
from tests.protocol.samples import ANY_FIX, ANY_MESSAGE, SAMPLES
from tests.protocol.signing import COMMAND, PIN_AUTHORITY, THEFT_DESK, id16

KINDS: dict[str, type[Message]] = {
    codec.topic_type(type(each)): type(each) for each in SAMPLES.values()
}
SAMPLE_OF: dict[str, Message] = {codec.topic_type(type(each)): each for each in SAMPLES.values()}


def fields_of(message: object) -> dict[Any, Any]:
    """Return a message's map, to be spoilt."""
    fields = cbor2.loads(codec.encode(message))
    assert isinstance(fields, dict)
    return fields


def complaint(kind: type[object], fields: object) -> str:
    with pytest.raises(MalformedError) as refusal:
        codec.decode(kind, cbor2.dumps(fields, canonical=True))
    assert refusal.value.reason is Reason.MALFORMED
    return str(refusal.value)


def test_there_is_a_sample_of_every_message() -> None:
    assert set(KINDS) == {table.name for table in MESSAGES}
    assert len(KINDS) == 16


@pytest.mark.parametrize("message", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_sample_survives(message: Message) -> None:
    payload = codec.encode(message)
    assert codec.decode(type(message), payload) == message
    assert len(payload) < cbor.MESSAGE_LIMIT


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_MESSAGE)
def test_any_message_survives(message: Message) -> None:
    assert codec.decode(type(message), codec.encode(message)) == message


@given(ANY_FIX)
def test_any_fix_survives(fix: Fix) -> None:
    assert codec.decode(Fix, codec.encode(fix)) == fix


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(name: str, data: bytes) -> None:
    try:
        message = codec.decode(KINDS[name], data)
    except MalformedError:
        return
    assert codec.encode(message) == data


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(
        st.integers(0, 23),
        st.integers(-5, 130)
        | st.binary(max_size=33)
        | st.text(max_size=5)
        | st.booleans()
        | st.none(),
        max_size=14,
    ),
)
def test_any_map_is_a_message_or_malformed(name: str, fields: dict[int, object]) -> None:
    spoilt = {**fields_of(SAMPLE_OF[name]), **fields}
    payload = cbor2.dumps(spoilt, canonical=True)
    try:
        message = codec.decode(KINDS[name], payload)
    except MalformedError as error:
        assert error.reason is Reason.MALFORMED  # noqa: PT017 -- the property allows both outcomes
        return
    assert codec.encode(message) == payload


@pytest.mark.parametrize("message", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_truncation_is_malformed(message: Message) -> None:
    payload = codec.encode(message)
    for length in range(len(payload)):
        with pytest.raises(MalformedError):
            codec.decode(type(message), payload[:length])


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_missing_field_is_named(name: str) -> None:
    table = next(each for each in MESSAGES if each.name == name)
    for each in table.fields:
        fields = fields_of(SAMPLE_OF[name])
        fields.pop(each.key, None)
        if each.optional:
            continue
        assert complaint(KINDS[name], fields) == f"{name}.{each.name}: missing"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_other_key_is_refused(name: str) -> None:
    table = next(each for each in MESSAGES if each.name == name)
    known = {each.key for each in table.fields}
    others = set(range(24)) - known
    assert others
    for key in (*others, "0", "vehicle"):
        fields = {**fields_of(SAMPLE_OF[name]), key: 0}
        assert complaint(KINDS[name], fields).startswith(f"{name}: unknown key")


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_field_refuses_every_other_type(name: str) -> None:
    """True and false are no integers, a text is no byte string, null is nothing at all."""
    table = next(each for each in MESSAGES if each.name == name)
    for each in table.fields:
        own = type(fields_of(SAMPLE_OF[name]).get(each.key, b""))
        for other in (True, 5, b"\x01" * 16, "car-1", None, [5], {99: 5}):
            if type(other) is own:
                continue
            fields = {**fields_of(SAMPLE_OF[name]), each.key: other}
            payload = cbor2.dumps(fields, canonical=True)
            with pytest.raises(MalformedError, match=rf"^({name}\.|a map key)"):
                codec.decode(KINDS[name], payload)


@pytest.mark.parametrize("value", [5, b"x", "x", None, [], True])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_message_is_a_map(name: str, value: object) -> None:
    assert complaint(KINDS[name], value) == f"{name}: not a map"


U32, U53 = 2**32 - 1, 2**53 - 1
EDGES: list[tuple[str, str, int, list[object], list[object]]] = [
    # sample, field, key, accepted, refused
    ("call", "vehicle_id", 0, ["a", "Z9_-" * 8], ["", "a" * 33, "a b", "ä", "a.b", "a\n", "a/b"]),
    ("call", "boot_id", 4, [bytes(8)], [b"", bytes(7), bytes(9)]),
    ("call", "incident_id", 5, [bytes(16)], [bytes(15), bytes(17)]),
    ("call", "seq", 6, [0, U32], [-1, U32 + 1]),
    ("call", "state", 7, [1, 2, 3, 4], [0, 5, -1]),
    ("request UNLOCK", "service", 1, [2], [6, -1]),
    ("request UNLOCK", "request_id", 2, [bytes(16)], [bytes(15), bytes(17), b""]),
    ("request UNLOCK", "seq", 5, [0, U53], [-1, U53 + 1]),
    ("request UNLOCK", "incident_id", 6, [bytes(16)], [bytes(15), bytes(17)]),
    ("challenge", "nonce", 3, [bytes(16)], [bytes(15), bytes(17)]),
    ("challenge", "request_hash", 5, [bytes(32)], [bytes(31), bytes(33)]),
    ("challenge", "trust_version", 6, [0, U53], [-1, U53 + 1]),
    ("challenge", "trust_epoch", 7, [0, U32], [-1, U32 + 1]),
    ("challenge", "account_version", 8, [0, U53], [-1, U53 + 1]),
    ("challenge", "ownership_generation", 9, [0, U32], [-1, U32 + 1]),
    ("challenge", "pin_generation", 10, [0, U32], [-1, U32 + 1]),
    ("challenge", "ttl_s", 11, [1, 120], [0, 121, -1]),
    ("evidence", "challenge_hash", 5, [bytes(32)], [bytes(31), bytes(33)]),
    ("evidence", "pin_session_id", 6, [bytes(16)], [bytes(15), bytes(17)]),
    ("evidence", "pin_age_s", 7, [0, U32], [-1, U32 + 1]),
    ("approval", "challenge_hash", 5, [bytes(32)], [bytes(31), bytes(33)]),
    ("approval", "case_id", 6, [bytes(16)], [bytes(15), bytes(17)]),
    ("grant unlock", "evidence", 5, [b"x", bytes(4000)], [b""]),
    ("grant position", "approval", 6, [b"x"], [b""]),
    ("grant unlock", "max_age_s", 8, [1, 120], [0, 121, -1]),
    ("ack", "seq", 5, [0, U53], [-1, U53 + 1]),
    ("ack", "stream_id", 6, [bytes(8)], [bytes(7), bytes(9)]),
    ("position-ack", "case_id", 5, [bytes(16)], [bytes(15), bytes(17)]),
    ("position-ack", "seq", 6, [0, U32], [-1, U32 + 1]),
    ("case-end", "case_id", 5, [bytes(16)], [bytes(15), bytes(17)]),
    ("account", "version", 5, [0, U53], [-1, U53 + 1]),
    ("account", "ownership_generation", 6, [0, U32], [-1, U32 + 1]),
    ("account", "pin_generation", 7, [0, U32], [-1, U32 + 1]),
    ("account", "users", 8, [[], ["a"], ["A", "a"], [f"u{n:02}" for n in range(16)]],
     [["b", "a"], ["a", "a"], [""], ["a" * 33], ["a b"], [b"a"], [1], [f"u{n:02}" for n in range(17)]]),
    ("account", "subscription_active", 9, [True, False], [0, 1]),
    ("account with evidence", "evidence", 10, [b"x"], [b""]),
    ("account", "epoch", 11, [0, U32], [-1, U32 + 1]),
    ("trust", "version", 5, [0, U53], [-1, U53 + 1]),
    ("trust", "epoch", 6, [0, U32], [-1, U32 + 1]),
    ("trust", "keys", 7, [], [[], [1], [{}], {}]),
    ("trust", "revoked", 8, [[], [bytes(8)], [bytes([n]) * 8 for n in range(32)]],
     [[bytes(7)], [bytes(9)], [bytes(8)] * 2, [bytes([n]) * 8 for n in range(33)], ["12345678"]]),
    ("trust", "issued_s", 9, [0, U53], [-1, U53 + 1]),
    ("refusal of a request", "request_id", 2, [bytes(16)], [bytes(15), bytes(17)]),
    ("refusal", "reason", 5, [0, 29, 105], [-1, 47, 106, U32]),
    ("result", "outcome", 5, [0, 4], [-1, 5]),
    ("result", "reason", 6, [0, 60], [-1, 59]),
    ("result", "grant_hash", 7, [bytes(32)], [bytes(31), bytes(33)]),
    ("result", "locks", 8, [{}, {0: 0, 4: 2}], [{5: 0}, {"0": 0}, {0: 3}, {0: -1}, {0: True}]),
    ("result", "relock", 9, [0, 2], [-1, 3]),
    ("result", "seq", 10, [0, U53], [-1, U53 + 1]),
    ("result", "stream_id", 11, [bytes(8)], [bytes(7), bytes(9)]),
    ("event", "request_id", 2, [bytes(16)], [bytes(15), bytes(17)]),
    ("event", "kind", 5, [1, 19], [-1, 20]),
    ("event", "seq", 6, [0, U53], [-1, U53 + 1]),
    ("event", "boot_time_ms", 7, [0, U53], [-1, U53 + 1]),
    ("event", "wall_time_ms", 8, [0, U53], [-1, U53 + 1]),
    ("event", "values", 9, [{}, {"a": None, "b" * 96: "c" * 64, "d": -(2**64)}, {"ä" * 48: "ü" * 32}],
     [{"": 1}, {"b" * 97: 1}, {"a": "c" * 65}, {"a": b""}, {"a": []}, {"a": {}}, {1: 1},
      {"ä" * 49: 1}, {"a": "ü" * 33}]),
    ("event", "incident_id", 10, [bytes(16)], [bytes(15), bytes(17)]),
    ("tombstone", "first_seq", 11, [0, 4], [-1, 5, U53 + 1]),
    ("tombstone", "last_seq", 12, [3, U53], [2, U53 + 1]),
    ("event", "stream_id", 13, [bytes(8)], [bytes(7), bytes(9)]),
    ("event", "reason", 14, [0, 92], [-1, 1000]),
    ("position", "request_id", 2, [bytes(16)], [bytes(15)]),
    ("position", "case_id", 5, [bytes(16)], [bytes(17)]),
    ("position", "seq", 6, [0, U32], [-1, U32 + 1]),
    ("position", "sealed", 7, [bytes(48), bytes(512)], [bytes(47), bytes(513)]),
    ("availability online", "connection", 5, [0, U32], [-1, U32 + 1]),
    ("availability online", "presence", 6, [0, 1, 2], [-1, 3]),
    ("availability asleep", "asleep_until_s", 7, [0, U53], [-1, U53 + 1]),
]  # fmt: skip


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


WRONG_OWN: list[object] = [
    Ack(vehicle_id="car-1", seq=-1, stream_id=bytes(8)),
    Ack(vehicle_id="a b", seq=1, stream_id=bytes(8)),
    Ack(vehicle_id="car-1", seq=True, stream_id=bytes(8)),
    Ack(vehicle_id="car-1", seq=1.0, stream_id=bytes(8)),  # type: ignore[arg-type]  # the point of the test
    UnlockParameters(UnlockMode.ARMED),
    object(),
]


@pytest.mark.parametrize("message", WRONG_OWN, ids=repr)
def test_writing_what_could_not_be_read_is_a_bug(message: object) -> None:
    with pytest.raises(BugError):
        codec.encode(message)


def test_writing_what_would_read_differently_is_a_bug() -> None:
    """A string for an enumeration's member encodes as something else; a kind of its own would too."""

    class Loud(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

    ack = Ack(vehicle_id=Loud("car-1"), seq=1, stream_id=bytes(8))
    with pytest.raises(BugError, match="survive"):
        codec.encode(ack)


def test_names_on_the_wire() -> None:
    assert codec.topic_type(KINDS["position-ack"]) == "position-ack"
    assert codec.typ_of(Request) == "tcu-request+cose"
    for kind in KINDS.values():
        assert codec.message_of(codec.typ_of(kind)) is kind
    for strange in (
        "",
        "tcu-+cose",
        "request",
        "tcu-request",
        "request+cose",
        "tcu-fix+cose",
        "tcu-key+cose",
    ):
        assert codec.message_of(strange) is None


def test_a_message_of_ours_is_prepared_for_any_signer() -> None:
    event = Event(
        vehicle_id="car-1",
        boot_id=bytes(8),
        kind=EventKind.STARTED,
        seq=1,
        boot_time_ms=1,
        wall_time_ms=0,
        stream_id=id16("x")[:8],
    )
    unsigned = codec.prepare(event, kid=COMMAND.kid, alg=COMMAND.alg, environment="bench")
    assert unsigned.payload == codec.encode(event)
    assert cbor2.loads(unsigned.protected) == {1: -7, 4: COMMAND.kid, 16: "tcu-event+cose"}


def test_the_info_of_a_sealed_position_names_all_that_it_is_bound_to() -> None:
    info = codec.position_info(environment="bench", vehicle_id="car-1", case_id=id16("case"), seq=7)
    assert cbor2.loads(info) == ["tcu-position", 1, "bench", "car-1", id16("case"), 7]
