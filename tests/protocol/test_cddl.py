"""docs/protocol.cddl, read by a CDDL tool that others wrote: does the grammar say what the agent does?"""

import re
from functools import cache
from pathlib import Path

import cbor2
import pytest
from cddl_verifier import Validator
from hypothesis import HealthCheck, given, settings

from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Fix, Message
from tests.protocol.edges import EDGES
from tests.protocol.samples import ANY_FIX, ANY_MESSAGE, SAMPLES
from tests.protocol.signing import COMMAND, sign, sign_payload, trust_container
from tests.protocol.spoiling import fields_of

CDDL = Path(__file__).parents[2] / "docs" / "protocol.cddl"

SAID_IN_A_COMMENT = {
    # What CDDL has no words for (or what the table in docs/protocol.md says): refused values that
    # the grammar alone lets through.
    ("account", "users"): "sorted, no duplicates, at most 16",
    ("trust", "revoked"): "no duplicates, at most 32",
    ("refusal", "reason"): "the table of reason codes",
    ("result", "reason"): "the table of reason codes",
    ("event", "reason"): "the table of reason codes",
    ("event", "kind"): "the table of event kinds",
    ("tombstone", "values"): "no path of a place",
    ("tombstone", "first_seq"): "not above last_seq",
    ("tombstone", "last_seq"): "not below first_seq",
}


@cache
def grammar() -> Validator:
    return Validator(CDDL.read_text())


def fits(payload: bytes, rule: str) -> bool:
    return bool(grammar().validate(payload, root_type=rule).valid)


@pytest.mark.parametrize("message", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_sample_is_what_the_grammar_says(message: Message) -> None:
    name = codec.topic_type(type(message))
    assert fits(codec.encode(message), name)
    if "grant" not in name:
        assert fits(sign(message), f"{name}-message")


@pytest.mark.parametrize("alone", [2, 7])
def test_a_request_and_its_sealed_fix_stand_together(alone: int) -> None:
    fields = fields_of(SAMPLES["position"])
    del fields[alone]
    assert not fits(cbor2.dumps(fields, canonical=True), "position")


def test_a_grant_with_all_that_is_in_it_is_what_the_grammar_says() -> None:
    for name in ("grant unlock", "grant position"):
        assert fits(sign(SAMPLES[name]), "grant-message")


def test_a_trust_container_is_what_the_grammar_says() -> None:
    assert fits(trust_container(), "trust-container")
    assert not fits(cbor2.dumps([sign(SAMPLES["trust"])]), "trust-container")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_MESSAGE)
def test_any_message_that_we_write_fits(message: Message) -> None:
    fields = fields_of(message)
    for key in (5, 6, 10):  # evidence and approval stand for signed messages; put real ones there
        name = codec.topic_type(type(message))
        if (name, key) in {("grant", 5), ("account", 10)} and key in fields:
            fields[key] = sign(SAMPLES["evidence"])
        if (name, key) == ("grant", 6) and key in fields:
            fields[key] = sign(SAMPLES["approval"])
    assert fits(cbor2.dumps(fields, canonical=True), codec.topic_type(type(message)))


@settings(max_examples=40, deadline=None)
@given(ANY_FIX)
def test_any_fix_that_we_write_fits(fix: Fix) -> None:
    assert fits(codec.encode(fix), "fix")


@pytest.mark.parametrize(
    ("sample", "field", "key", "accepted", "refused"),
    EDGES,
    ids=[f"{sample}.{field}" for sample, field, *_ in EDGES],
)
def test_the_grammar_draws_the_same_edges(
    sample: str, field: str, key: int, accepted: list[object], refused: list[object]
) -> None:
    message = SAMPLES[sample]
    name = codec.topic_type(type(message))
    for value in accepted:
        spoilt = cbor2.dumps({**fields_of(message), key: value}, canonical=True)
        if field not in {"evidence", "approval"}:  # there the grammar looks inside, the codec later
            assert fits(spoilt, name), value
    if (sample, field) in SAID_IN_A_COMMENT:
        return
    for value in refused:
        spoilt = cbor2.dumps({**fields_of(message), key: value}, canonical=True)
        assert not fits(spoilt, name), value


def test_every_exception_is_one() -> None:
    """What stands in the list above is really let through by the grammar, at least in part."""
    for sample, field, key, _, refused in EDGES:
        if (sample, field) in SAID_IN_A_COMMENT:
            message = SAMPLES[sample]
            name = codec.topic_type(type(message))
            assert any(
                fits(cbor2.dumps({**fields_of(message), key: value}, canonical=True), name)
                for value in refused
            ), (sample, field)


@pytest.mark.parametrize(
    "message",
    [m for name, m in SAMPLES.items() if name.startswith(("call", "evidence", "trust", "event"))],
    ids=lambda message: codec.topic_type(type(message)),
)
def test_the_grammar_refuses_what_is_missing_and_what_is_unknown(message: Message) -> None:
    name = codec.topic_type(type(message))
    table = next(each for each in codec.MESSAGES if each.name == name)
    for each in table.fields:
        if not each.optional:
            fields = fields_of(message)
            del fields[each.key]
            assert not fits(cbor2.dumps(fields, canonical=True), name), each.name
    assert not fits(cbor2.dumps({**fields_of(message), 23: 0}, canonical=True), name)


def test_the_grammar_knows_who_says_what() -> None:
    """Another typ, or another payload under it, is not the message that the rule names."""
    ack, call = SAMPLES["ack"], SAMPLES["call"]
    party_message = sign_payload(codec.encode(ack), typ="tcu-call+cose", party=COMMAND)
    assert fits(sign(ack), "ack-message")
    assert not fits(sign(ack), "call-message")
    assert not fits(sign(call), "ack-message")
    assert not fits(party_message, "call-message")


def test_every_message_has_a_rule_and_every_rule_a_message() -> None:
    rules = set(
        re.findall(
            r'^[a-z-]+-message\s+= message<"tcu-([a-z-]+)\+cose"', CDDL.read_text(), re.MULTILINE
        )
    )
    assert rules == {table.name for table in codec.MESSAGES}
