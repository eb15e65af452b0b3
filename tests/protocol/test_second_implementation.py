"""Two implementations of one specification: what the agent writes and refuses, the simulator must too.

tcu_sim.wire was written from docs/protocol.md and docs/protocol.cddl and shares no code with the
agent. Where the two differ, one of them is wrong, or the specification has a hole.
"""

from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose, trust
from tcu_agent.protocol.messages import Fix, Message
from tcu_agent.protocol.vocabulary import Service
from tcu_sim.wire import cbor as other_cbor
from tcu_sim.wire import envelope as other_envelope
from tcu_sim.wire import fields as other_fields
from tcu_sim.wire import messages as other_messages
from tcu_sim.wire import sealing as other_sealing
from tcu_sim.wire import trust as other_trust
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import PublicKey
from tests.protocol.edges import EDGES
from tests.protocol.samples import ANY_FIX, ANY_MESSAGE, SAMPLES
from tests.protocol.signing import (
    COMMAND,
    ENVIRONMENT,
    ROOTS,
    SIGNER_OF,
    THEFT_DESK,
    VEHICLE,
    id16,
    keyring,
    sign,
    sign_payload,
    trust_bundle,
    trust_container,
)
from tests.protocol.spoiling import fields_of
from tests.protocol.test_cbor import OUTSIDE

TOLERATED: dict[tuple[str, str], str] = {
    # What the centre takes and the agent would not write. All of it comes from the vehicle or from
    # the roots; of what the centre says to the car, both take exactly the same.
    ("refusal", "reason"): "a later agent may know more reasons",
    ("result", "reason"): "a later agent may know more reasons",
    ("event", "reason"): "a later agent may know more reasons",
    ("event", "kind"): "a later agent may know more kinds",
    ("tombstone", "first_seq"): "the centre judges tombstones against its own store",
    ("tombstone", "last_seq"): "the centre judges tombstones against its own store",
    ("trust", "revoked"): "a kid that is revoked twice is revoked",
}
FROM_THE_CENTRE = {codec.topic_type(kind) for kind in SIGNER_OF}
NESTED_KEYS = {5, 6}
NESTED = {
    "evidence",
    "approval",
}  # the centre knows how long a message is at least, the grammar does

THEIRS: dict[str, Any] = {
    getattr(other_messages, name).TYP: getattr(other_messages, name)
    for name in other_messages.__all__
    if hasattr(getattr(other_messages, name), "TYP")
}


def read_by_the_other(payload: bytes, name: str) -> bytes:
    """Return the payload as the second implementation writes what it has read."""
    envelope = other_envelope.look(sign_payload(payload, typ=f"tcu-{name}+cose", party=COMMAND))
    return other_envelope.payload_of(other_envelope.read(envelope, THEIRS[name]))


def is_read_by_the_other(payload: bytes, name: str) -> bool:
    try:
        return read_by_the_other(payload, name) == payload
    except WireError:
        return False


def is_read_by_the_agent(payload: bytes, kind: type[object]) -> bool:
    try:
        return codec.encode(codec.decode(kind, payload)) == payload
    except MalformedError:
        return False


def test_both_know_the_same_messages() -> None:
    assert set(THEIRS) == {table.name for table in codec.MESSAGES}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_other_reads_the_sample_and_its_signature(sample: str) -> None:
    message = SAMPLES[sample]
    name = codec.topic_type(type(message))
    party = SIGNER_OF.get(type(message), VEHICLE)
    key = PublicKey(party.alg, party.public_key)
    opened = other_envelope.open_signed(sign(message), THEIRS[name], key, ENVIRONMENT)
    assert opened.payload == codec.encode(message)
    assert other_envelope.payload_of(opened.message) == opened.payload
    assert opened.hash == codec.payload_hash(codec.encode(message))
    with pytest.raises(WireError):
        other_envelope.open_signed(sign(message), THEIRS[name], key, "production")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_MESSAGE)
def test_any_message_is_the_same_bytes(message: Message) -> None:
    name, payload = codec.topic_type(type(message)), codec.encode(message)
    if name in {"grant", "account"}:
        fields = fields_of(message)
        if name == "grant" and 6 not in fields and fields[1] == Service.POSITION:
            return  # a position without approval: a message for the agent, which names the reason
        for key in {"grant": NESTED_KEYS, "account": {10}}[name] & fields.keys():
            fields[key] = sign(SAMPLES["evidence"])
        payload = cbor2.dumps(fields, canonical=True)
    assert read_by_the_other(payload, name) == payload


@pytest.mark.parametrize(
    ("sample", "field", "key", "accepted", "refused"),
    EDGES,
    ids=[f"{sample}.{field}" for sample, field, *_ in EDGES],
)
def test_both_draw_the_same_edges(
    sample: str, field: str, key: int, accepted: list[object], refused: list[object]
) -> None:
    message = SAMPLES[sample]
    kind, name = type(message), codec.topic_type(type(message))
    for value in accepted:
        payload = cbor2.dumps({**fields_of(message), key: value}, canonical=True)
        assert is_read_by_the_agent(payload, kind), value
        assert field in NESTED or is_read_by_the_other(payload, name), value
    for value in refused:
        payload = cbor2.dumps({**fields_of(message), key: value}, canonical=True)
        assert not is_read_by_the_agent(payload, kind), value
        tolerated = (sample, field) in TOLERATED
        assert tolerated or not is_read_by_the_other(payload, name), value


def test_nothing_is_tolerated_for_nothing() -> None:
    for sample, field, key, _, refused in EDGES:
        if (sample, field) in TOLERATED:
            message = SAMPLES[sample]
            name = codec.topic_type(type(message))
            assert name not in FROM_THE_CENTRE
            spoilt = [{**fields_of(message), key: value} for value in refused]
            payloads = [cbor2.dumps(each, canonical=True) for each in spoilt]
            assert any(is_read_by_the_other(each, name) for each in payloads), (sample, field)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.dictionaries(
        st.integers(0, 15),
        st.integers(-2, 130)
        | st.binary(max_size=33)
        | st.text(max_size=3)
        | st.booleans()
        | st.none()
        | st.just({})
        | st.just([]),
        max_size=2,
    ),
    st.sets(st.integers(0, 14), max_size=2),
)
def test_both_refuse_the_same_maps(
    sample: str, changed: dict[int, object], dropped: set[int]
) -> None:
    message = SAMPLES[sample]
    fields = {**fields_of(message), **changed}
    for key in dropped:
        fields.pop(key, None)
    payload, name = cbor2.dumps(fields, canonical=True), codec.topic_type(type(message))
    ours, theirs = is_read_by_the_agent(payload, type(message)), is_read_by_the_other(payload, name)
    if name == "grant" and (6 not in fields or NESTED_KEYS & changed.keys()):
        return  # see above
    if name == "account" and 10 in changed:
        return
    assert ours is theirs or (theirs and name not in FROM_THE_CENTRE), fields


JUDGED_LATER = ["COSE tag", *(name for name in OUTSIDE if "key" in name and "twice" not in name)]
"""Keys and the tag of the envelope: the other looks at them where it knows what should be there."""


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name not in JUDGED_LATER])
def test_both_refuse_the_same_bytes(name: str) -> None:
    data = OUTSIDE[name]
    with pytest.raises(WireError):
        other_cbor.decode(bytes.fromhex(data))


@given(st.recursive(st.integers() | st.binary() | st.text() | st.booleans() | st.none(), st.lists))
def test_both_take_the_same_bytes_for_cbor(value: object) -> None:
    data = cbor2.dumps(value, canonical=True)
    try:
        ours: object = cbor.decode(data)
    except MalformedError:
        with pytest.raises(WireError):
            other_cbor.decode(data)
    else:
        assert other_cbor.decode(data) == ours == value


def test_both_open_the_same_containers() -> None:
    roots = other_trust.Roots(2, tuple(PublicKey(root.alg, root.public_key) for root in ROOTS))
    opened = other_trust.open_container(trust_container(), roots, ENVIRONMENT)
    assert other_envelope.payload_of(opened.trust) == codec.encode(trust_bundle())
    assert opened.desk_recipient() == keyring().position_recipient()
    ours = trust.root_keys(root.public_key for root in ROOTS)
    for signers in (ROOTS[:1] * 2, (ROOTS[0], VEHICLE), (ROOTS[0], COMMAND)):
        spoilt = trust_container(signers=signers)
        with pytest.raises(MalformedError):
            trust.open_container(spoilt, roots=ours, threshold=2, environment=ENVIRONMENT)
        with pytest.raises(WireError):
            other_trust.open_container(spoilt, roots, ENVIRONMENT)


@given(ANY_FIX)
def test_what_the_agent_seals_the_desk_opens(fix: Fix) -> None:
    info = codec.position_info(
        environment=ENVIRONMENT, vehicle_id="car-1", case_id=id16("case"), seq=7
    )
    recipient = THEFT_DESK.hpke.public_key().public_bytes_raw()
    sealed = HpkeSealer().seal(codec.encode(fix), recipient=recipient, info=info)
    assert 48 <= len(sealed) <= 512
    label = other_sealing.Label(
        environment=ENVIRONMENT, vehicle_id="car-1", case_id=id16("case"), seq=7
    )
    opened = other_sealing.unseal(sealed, label, THEFT_DESK.hpke)
    assert other_cbor.encode(other_fields.pack(opened)) == codec.encode(fix)
    elsewhere = other_sealing.Label(
        environment=ENVIRONMENT, vehicle_id="car-1", case_id=id16("case"), seq=8
    )
    with pytest.raises(WireError):
        other_sealing.unseal(sealed, elsewhere, THEFT_DESK.hpke)


def test_the_other_refuses_the_envelopes_that_the_agent_refuses() -> None:
    good = sign(SAMPLES["ack"])
    for spoilt in (good[1:], b"\xd1" + good[1:], good + b"\x00", b"\xd8\x12" + good[1:]):
        with pytest.raises(MalformedError):
            cose.parse(spoilt)
        with pytest.raises(WireError):
            other_envelope.look(spoilt)
