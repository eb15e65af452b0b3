"""Call control, acknowledgements and case ends: small messages, and nobody else may send them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.core.verify.verifier import OpenCall, Refused
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Ack, Call, CaseEnd, Message, PositionAck
from tcu_agent.protocol.vocabulary import CallState, Reason
from tests.protocol.car import refused
from tests.protocol.signing import (
    BOOT_ID,
    COMMAND,
    ROLE_KEYS,
    STREAM_ID,
    THEFT_DESK,
    Centre,
    Party,
    id16,
    keyring,
    sign,
    sign_payload,
    verifier,
)

CASE = id16("incident or case")
OTHER = id16("something else")
OPEN = OpenCall(incident_id=CASE, boot_id=BOOT_ID, last_seq=3)
CENTRE = Centre()
Judge = Callable[..., Any]


def judge_call(data: bytes, *, call: OpenCall | None = OPEN, **state: Any) -> Call | Refused:
    return verifier().verify_call(data, **{"keyring": keyring(), "call": call, **state})


def judge_ack(data: bytes, **state: Any) -> Ack | Refused:
    known = {"keyring": keyring(), "stream_id": STREAM_ID, "last_seq": 9}
    return verifier().verify_ack(data, **{**known, **state})


def judge_position_ack(data: bytes, **state: Any) -> PositionAck | Refused:
    known = {"keyring": keyring(), "stream_id": STREAM_ID, "last_seqs": {CASE: 5}}
    return verifier().verify_position_ack(data, **{**known, **state})


def judge_case_end(data: bytes, **state: Any) -> CaseEnd | Refused:
    return verifier().verify_case_end(data, **{"keyring": keyring(), "cases": {CASE}, **state})


CALL, ACK = CENTRE.call(CallState.CONNECTED, 4), CENTRE.ack(9)
POSITION_ACK, CASE_END = CENTRE.position_ack(5), CENTRE.case_end()
ALL: list[tuple[Judge, Any, set[Party]]] = [
    (judge_call, CALL, {COMMAND}),
    (judge_ack, ACK, {COMMAND}),
    (judge_position_ack, POSITION_ACK, {THEFT_DESK}),
    (judge_case_end, CASE_END, {THEFT_DESK, COMMAND}),
]
IDS = ["call", "ack", "position-ack", "case-end"]


@pytest.mark.parametrize(("judge", "message", "owners"), ALL, ids=IDS)
def test_who_may_say_it(judge: Judge, message: Message, owners: set[Party]) -> None:
    for party in ROLE_KEYS:
        verdict = judge(sign(message, party))
        if party in owners:
            assert verdict == message
        else:
            refused(verdict, Reason.WRONG_ROLE, authenticated=False)
    refused(judge(sign(message, Party("stranger"))), Reason.UNKNOWN_KEY, authenticated=False)


@pytest.mark.parametrize(("judge", "message", "owners"), ALL, ids=IDS)
def test_the_envelope(judge: Judge, message: Any, owners: set[Party]) -> None:
    owner = next(iter(owners))
    payload, typ = codec.encode(message), codec.typ_of(type(message))
    for data, reason in (
        (sign(message, owner, environment="production"), Reason.BAD_SIGNATURE),
        (sign_payload(payload, typ=typ, party=owner, alg=-8), Reason.BAD_SIGNATURE),
        (sign_payload(payload, typ="tcu-grant+cose", party=owner), Reason.UNSUPPORTED_TYPE),
        (sign_payload(payload + b"\x00", typ=typ, party=owner), Reason.MALFORMED),
        (sign(replace(message, vehicle_id="car-2"), owner), Reason.WRONG_VEHICLE),
        (bytes(8193), Reason.TOO_LARGE),
        (b"", Reason.MALFORMED),
    ):
        refused(judge(data), reason)
    refused(judge(sign(message, owner), keyring=None), Reason.TRUST_MISSING)
    revoked = keyring(revoked=(owner.kid,))
    refused(judge(sign(message, owner), keyring=revoked), Reason.KEY_REVOKED)
    assert judge(sign(message, owner)) == message


@pytest.mark.parametrize(("judge", "message", "owners"), ALL, ids=IDS)
def test_every_truncation_and_every_flipped_bit(
    judge: Judge, message: Message, owners: set[Party]
) -> None:
    good = sign(message, next(iter(owners)))
    for length in range(len(good)):
        refused(judge(good[:length]), Reason.MALFORMED, authenticated=False)
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert isinstance(judge(bytes(bad)), Refused), f"bit {bit}"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for judge, _, _ in ALL:
        assert isinstance(judge(data), Refused)


CALLS: list[tuple[dict[str, Any], Reason | None]] = [
    ({}, None),
    ({"seq": 2**32 - 1}, None),
    ({"seq": 3}, Reason.STALE_REQUEST),
    ({"seq": 0}, Reason.STALE_REQUEST),
    ({"incident_id": OTHER}, Reason.UNKNOWN_INCIDENT),
    ({"boot_id": bytes(8)}, Reason.BOOT_ID_MISMATCH),
    ({"state": CallState.ENDED}, None),
    ({"state": CallState.FAILED}, None),
    ({"state": CallState.RINGING}, None),
]


@pytest.mark.parametrize(("changes", "reason"), CALLS)
def test_call_control_is_for_the_open_call(changes: dict[str, Any], reason: Reason | None) -> None:
    message = replace(CALL, **changes)
    verdict = judge_call(sign(message))
    if reason is None:
        assert verdict == message
    else:
        refused(verdict, reason, authenticated=True)


def test_without_a_call_there_is_nothing_to_control() -> None:
    refused(judge_call(sign(CALL), call=None), Reason.UNKNOWN_INCIDENT, authenticated=True)


def test_a_new_call_takes_any_first_seq() -> None:
    fresh = OpenCall(incident_id=CASE, boot_id=BOOT_ID)
    assert judge_call(sign(replace(CALL, seq=1)), call=fresh) == replace(CALL, seq=1)
    refused(judge_call(sign(replace(CALL, seq=0)), call=fresh), Reason.STALE_REQUEST)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 0}, None),
        ({"seq": 9}, None),
        ({"seq": 10}, Reason.BEYOND_SENT),
        ({"seq": 2**53 - 1}, Reason.BEYOND_SENT),
        ({"stream_id": bytes(8)}, Reason.UNKNOWN_STREAM),
    ],
)
def test_an_ack_erases_only_what_was_sent(changes: dict[str, Any], reason: Reason | None) -> None:
    message = replace(ACK, **changes)
    if reason is None:
        assert judge_ack(sign(message)) == message
    else:
        refused(judge_ack(sign(message)), reason, authenticated=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 0}, None),
        ({"seq": 5}, None),
        ({"seq": 6}, Reason.BEYOND_SENT),
        ({"case_id": OTHER}, Reason.CASE_MISMATCH),
        ({"stream_id": bytes(8)}, Reason.UNKNOWN_STREAM),
        ({"stream_id": bytes(8), "case_id": OTHER, "seq": 6}, Reason.UNKNOWN_STREAM),
    ],
)
def test_a_position_ack_erases_only_what_was_sent(
    changes: dict[str, Any], reason: Reason | None
) -> None:
    message = replace(POSITION_ACK, **changes)
    if reason is None:
        assert judge_position_ack(sign(message)) == message
    else:
        refused(judge_position_ack(sign(message)), reason, authenticated=True)


def test_a_case_that_is_not_open_cannot_end() -> None:
    foreign = CENTRE.case_end(OTHER)
    refused(judge_case_end(sign(foreign)), Reason.CASE_MISMATCH, authenticated=True)
    refused(judge_case_end(sign(CASE_END), cases=()), Reason.CASE_MISMATCH, authenticated=True)
