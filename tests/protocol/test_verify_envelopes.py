"""Envelopes of a grant and of what is inside it: wrong keys, roles and bytes, each with its reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcu_agent.core.verify.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.core.verify.verifier import AlreadyAnswered
from tcu_agent.protocol import cbor, codec
from tcu_agent.protocol.messages import (
    Message,
)
from tcu_agent.protocol.vocabulary import Reason, Role, Service
from tests.protocol.car import Answer, Car, a_car, expect_success, refused
from tests.protocol.signing import (
    COMMAND,
    PIN_AUTHORITY,
    ROLE_KEYS,
    THEFT_DESK,
    VEHICLE,
    Party,
    id16,
    keyring,
    sign,
    sign_payload,
)

STRANGER = Party("stranger", role=Role.PIN_AUTHORITY)
SERVICES = [Service.UNLOCK, Service.POSITION]
OTHER_ID = id16("something else")


PARTS: list[tuple[str, Service, Party]] = [
    ("grant", Service.UNLOCK, COMMAND),
    ("evidence", Service.UNLOCK, PIN_AUTHORITY),
    ("evidence", Service.POSITION, PIN_AUTHORITY),
    ("approval", Service.POSITION, THEFT_DESK),
]


def with_part(answer: Answer, part: str, data: bytes) -> bytes:
    return data if part == "grant" else answer.signed(**{part: data})


def message_of(answer: Answer, part: str) -> Message:
    message: Message = getattr(answer, part)()
    return message


@pytest.mark.parametrize(("part", "service", "owner"), PARTS)
def test_every_role_but_the_right_one_is_refused(part: str, service: Service, owner: Party) -> None:
    for party in ROLE_KEYS:
        if party is owner:
            continue
        car, answer = a_car(service)
        spoilt = with_part(answer, part, sign(message_of(answer, part), party))
        outer = part == "grant"
        refused(car.judge_grant(spoilt), Reason.WRONG_ROLE, authenticated=not outer)
        expect_success(car, answer)


@pytest.mark.parametrize("party", [STRANGER, VEHICLE, Party("root 1")], ids=lambda p: p.name)
@pytest.mark.parametrize(("part", "service", "owner"), PARTS)
def test_keys_outside_the_bundle_are_unknown(
    part: str, service: Service, owner: Party, party: Party
) -> None:
    car, answer = a_car(service)
    spoilt = with_part(answer, part, sign(message_of(answer, part), party))
    refused(car.judge_grant(spoilt), Reason.UNKNOWN_KEY, authenticated=part != "grant")
    expect_success(car, answer)


@pytest.mark.parametrize(("part", "service", "owner"), PARTS)
def test_a_revoked_key_is_refused_at_once(part: str, service: Service, owner: Party) -> None:
    car, answer = a_car(service)
    good, car.keyring = car.keyring, keyring(version=2, revoked=(owner.kid,))
    refused(car.judge_grant(answer.signed()), Reason.KEY_REVOKED, authenticated=part != "grant")
    car.keyring = good
    expect_success(car, answer)


@pytest.mark.parametrize(("part", "service", "owner"), PARTS)
def test_a_revoked_key_that_left_the_bundle_is_still_called_revoked(
    part: str, service: Service, owner: Party
) -> None:
    car, answer = a_car(service)
    rest = tuple(p.key_record() for p in ROLE_KEYS if p is not owner)
    good, car.keyring = car.keyring, keyring(version=2, keys=rest, revoked=(owner.kid,))
    refused(car.judge_grant(answer.signed()), Reason.KEY_REVOKED)
    car.keyring = good
    expect_success(car, answer)


def spoilt_envelopes(message: Message, owner: Party) -> dict[str, tuple[bytes, Reason]]:
    payload, typ = codec.encode(message), codec.typ_of(type(message))
    good = sign(message, owner)
    fields = cbor.decode(payload)
    assert isinstance(fields, dict)
    unknown = cbor.encode({**fields, 22: 0})
    return {
        "another environment": (
            sign(message, owner, environment="production"),
            Reason.BAD_SIGNATURE,
        ),
        "alg of another key": (
            sign_payload(payload, typ=typ, party=owner, alg=-15 - owner.alg),
            Reason.BAD_SIGNATURE,
        ),
        "unknown alg": (sign_payload(payload, typ=typ, party=owner, alg=-35), Reason.MALFORMED),
        "another typ": (
            sign_payload(payload, typ="tcu-refusal+cose", party=owner),
            Reason.UNSUPPORTED_TYPE,
        ),
        "no known typ": (sign_payload(payload, typ="x", party=owner), Reason.UNSUPPORTED_TYPE),
        "an unknown field": (sign_payload(unknown, typ=typ, party=owner), Reason.MALFORMED),
        "a payload that is no CBOR": (
            sign_payload(b"\xff", typ=typ, party=owner),
            Reason.MALFORMED,
        ),
        "a payload that is no map": (sign_payload(b"\x80", typ=typ, party=owner), Reason.MALFORMED),
        "one byte more": (good + b"\x00", Reason.MALFORMED),
        "a flipped signature": (good[:-1] + bytes([good[-1] ^ 1]), Reason.BAD_SIGNATURE),
        "a signature of nulls": (good[:-64] + bytes(64), Reason.BAD_SIGNATURE),
        "no envelope": (payload, Reason.MALFORMED),
        "one byte": (b"\xd2", Reason.MALFORMED),
    }


@pytest.mark.parametrize(("part", "service", "owner"), PARTS)
def test_every_spoilt_envelope_has_its_reason(part: str, service: Service, owner: Party) -> None:
    car, answer = a_car(service)
    for name, (data, reason) in spoilt_envelopes(message_of(answer, part), owner).items():
        if part == "grant" and name == "an unknown field":
            refused(car.judge_grant(data), reason, authenticated=True)
        verdict = car.judge_grant(with_part(answer, part, data))
        refused(verdict, reason, authenticated=None if part == "grant" else True)
    expect_success(car, answer)


def test_too_large_is_told_before_anything_is_read() -> None:
    car, answer = a_car(Service.UNLOCK)
    for data in (bytes(cbor.MESSAGE_LIMIT + 1), answer.signed() + bytes(cbor.MESSAGE_LIMIT)):
        refused(car.judge_grant(data), Reason.TOO_LARGE, authenticated=False)
    expect_success(car, answer)


def test_swapped_and_nested_messages_are_of_another_type() -> None:
    car, answer = a_car(Service.POSITION)
    evidence, approval = sign(answer.evidence()), sign(answer.approval())
    for data in (
        answer.signed(evidence=approval, approval=evidence),
        answer.signed(evidence=answer.signed()),
        answer.signed(approval=evidence),
        evidence,
        approval,
        sign(answer.challenge),
    ):
        refused(car.judge_grant(data), Reason.UNSUPPORTED_TYPE)
    expect_success(car, answer)


@pytest.mark.parametrize("service", SERVICES)
def test_every_flipped_bit_is_refused_and_uses_nothing_up(service: Service) -> None:
    car, answer = a_car(service)
    good = answer.signed()
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        verdict = car.judge_grant(bytes(bad))
        assert not isinstance(verdict, UnlockAuthorisation | PositionAuthorisation), f"bit {bit}"
    expect_success(car, answer)


@pytest.mark.parametrize("service", SERVICES)
def test_every_truncation_is_malformed(service: Service) -> None:
    car, answer = a_car(service)
    good = answer.signed()
    for length in range(len(good)):
        refused(car.judge_grant(good[:length]), Reason.MALFORMED, authenticated=False)
    expect_success(car, answer)


@pytest.mark.parametrize("part", ["evidence", "approval"])
def test_every_truncation_inside_is_malformed(part: str) -> None:
    car, answer = a_car(Service.POSITION)
    inner = sign(message_of(answer, part))
    for length in range(1, len(inner)):
        spoilt = answer.signed(**{part: inner[:length]})
        refused(car.judge_grant(spoilt), Reason.MALFORMED, authenticated=True)
    expect_success(car, answer)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    car, answer = a_car(Service.UNLOCK)
    for attempt in (data, b"\xd2\x84" + data, answer.signed(evidence=data or b"x")):
        verdict = car.judge_grant(attempt)
        assert not isinstance(
            verdict, UnlockAuthorisation | PositionAuthorisation | AlreadyAnswered
        )
    expect_success(car, answer)


def test_messages_nested_for_ever_cost_one_look_inside() -> None:
    """The request id of a forged message is looked for in it and in the evidence inside, no deeper."""
    car = Car()
    data = sign_payload(b"\xa1\x02\x50" + OTHER_ID, typ="x", party=STRANGER)
    ids = []
    while len(data) < cbor.MESSAGE_LIMIT - 200:
        verdict = refused(car.judge_grant(data), Reason.UNSUPPORTED_TYPE, authenticated=False)
        ids.append(verdict.request_id)
        data = sign_payload(cbor.encode({10: data}), typ="x", party=STRANGER)
    assert ids == [OTHER_ID, OTHER_ID, *[None] * (len(ids) - 2)]
    assert len(ids) > 50
