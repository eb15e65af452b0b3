"""Every message, both ways, and what no message is."""

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
    Message,
    Request,
    UnlockParameters,
)
from tcu_agent.protocol.vocabulary import EventKind, Reason, UnlockMode
from tests.protocol.samples import ANY_FIX, ANY_MESSAGE, SAMPLES
from tests.protocol.signing import COMMAND, id16
from tests.protocol.spoiling import complaint, fields_of

KINDS: dict[str, type[Message]] = {
    codec.topic_type(type(each)): type(each) for each in SAMPLES.values()
}
SAMPLE_OF: dict[str, Message] = {codec.topic_type(type(each)): each for each in SAMPLES.values()}


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
