"""The negative catalogue of grants: spoil one thing, expect this very reason, restore it, expect success."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcu_agent.core.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.core.verify import AlreadyAnswered
from tcu_agent.errors import BugError
from tcu_agent.protocol import cbor, codec
from tcu_agent.protocol.messages import (
    Account,
    Approval,
    Common,
    Evidence,
    Grant,
    Message,
    PositionParameters,
    UnlockParameters,
)
from tcu_agent.protocol.vocabulary import PositionKind, Reason, Role, Service, UnlockMode
from tests.protocol.car import ISSUED_AT, TTL_S, Answer, Car, refused
from tests.protocol.signing import (
    ACCOUNT_SERVICE,
    ARMED,
    COMMAND,
    DIRECT,
    PIN_AUTHORITY,
    ROLE_KEYS,
    SNAPSHOT,
    THEFT_DESK,
    TRACKING,
    VEHICLE,
    Party,
    id16,
    keyring,
    sign,
    sign_payload,
    verifier,
)

STRANGER = Party("stranger", role=Role.PIN_AUTHORITY)
OTHER_ID = id16("something else")
OTHER_BOOT = bytes(8)
SERVICES = [Service.UNLOCK, Service.POSITION]


def a_car(service: Service, **request: Any) -> tuple[Car, Answer]:
    car = Car()
    entry = car.challenged(service, **request)
    return car, Answer(entry, car.centre)


def expect_success(car: Car, answer: Answer) -> UnlockAuthorisation | PositionAuthorisation:
    """The unspoilt grant is accepted, once: nothing before has used up the nonce."""
    verdict = car.judge_grant(answer.signed())
    assert isinstance(verdict, UnlockAuthorisation | PositionAuthorisation), verdict
    refused(car.judge_grant(answer.signed()), Reason.UNKNOWN_CHALLENGE, authenticated=True)
    return verdict


# ------------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("parameters", [DIRECT, ARMED])
def test_a_good_grant_unlocks(parameters: UnlockParameters) -> None:
    car, answer = a_car(Service.UNLOCK, parameters=parameters)
    car.now += 10
    verdict = expect_success(car, answer)
    assert isinstance(verdict, UnlockAuthorisation)
    assert verdict.common == answer.challenge.common
    assert verdict.parameters == parameters
    assert verdict.incident_id == id16("incident or case")
    assert verdict.grant_hash == codec.payload_hash(codec.encode(answer.grant()))
    assert verdict.accepted_at == ISSUED_AT + 10
    assert verdict.expires_at == ISSUED_AT + TTL_S


@pytest.mark.parametrize("parameters", [SNAPSHOT, TRACKING])
def test_a_good_grant_with_approval_locates(parameters: PositionParameters) -> None:
    car, answer = a_car(Service.POSITION, parameters=parameters)
    verdict = expect_success(car, answer)
    assert isinstance(verdict, PositionAuthorisation)
    assert verdict.parameters == parameters
    assert verdict.case_id == id16("incident or case")
    assert verdict.grant_hash == codec.payload_hash(codec.encode(answer.grant()))
    assert verdict.accepted_at == ISSUED_AT
    assert verdict.expires_at == ISSUED_AT + TTL_S


def test_the_grant_may_shorten_the_time_but_not_stretch_it() -> None:
    car, answer = a_car(Service.UNLOCK)
    verdict = car.judge_grant(answer.signed(max_age_s=20))
    assert isinstance(verdict, UnlockAuthorisation)
    assert verdict.expires_at == ISSUED_AT + 20


# ----------------------------------------------------------------- one field after the other

GRANT_FIELDS: list[tuple[Service, dict[str, Any], Reason]] = [
    *((s, {"vehicle_id": "car-2"}, Reason.WRONG_VEHICLE) for s in SERVICES),
    *((s, {"request_id": OTHER_ID}, Reason.REQUEST_MISMATCH) for s in SERVICES),
    *((s, {"nonce": OTHER_ID}, Reason.UNKNOWN_CHALLENGE) for s in SERVICES),
    *((s, {"boot_id": OTHER_BOOT}, Reason.BOOT_ID_MISMATCH) for s in SERVICES),
    *((s, {"nonce": OTHER_ID, "boot_id": OTHER_BOOT}, Reason.BOOT_ID_MISMATCH) for s in SERVICES),
    (Service.UNLOCK, {"parameters": ARMED}, Reason.PARAMETERS_MISMATCH),
    (Service.POSITION, {"parameters": TRACKING}, Reason.PARAMETERS_MISMATCH),
    (Service.POSITION, {"approval": None}, Reason.APPROVAL_MISSING),
]
NESTED_FIELDS: list[tuple[dict[str, Any], Reason]] = [
    ({"vehicle_id": "car-2"}, Reason.WRONG_VEHICLE),
    ({"service": Service.STATE}, Reason.SERVICE_MISMATCH),
    ({"service": Service.APP_LINK}, Reason.SERVICE_MISMATCH),
    ({"request_id": OTHER_ID}, Reason.REQUEST_MISMATCH),
    ({"nonce": OTHER_ID}, Reason.NONCE_MISMATCH),
    ({"boot_id": OTHER_BOOT}, Reason.BOOT_ID_MISMATCH),
    ({"challenge_hash": bytes(32)}, Reason.CHALLENGE_MISMATCH),
]


@pytest.mark.parametrize(("service", "changes", "reason"), GRANT_FIELDS)
def test_a_changed_field_of_the_grant(
    service: Service, changes: dict[str, Any], reason: Reason
) -> None:
    car, answer = a_car(service)
    verdict = refused(car.judge_grant(answer.signed(**changes)), reason, authenticated=True)
    assert verdict.request_id == changes.get("request_id", answer.challenge.common.request_id)
    expect_success(car, answer)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("changes", "reason"), NESTED_FIELDS)
def test_a_changed_field_of_the_evidence(
    service: Service, changes: dict[str, Any], reason: Reason
) -> None:
    car, answer = a_car(service)
    evidence = sign(answer.evidence(**changes))
    refused(car.judge_grant(answer.signed(evidence=evidence)), reason, authenticated=True)
    expect_success(car, answer)


@pytest.mark.parametrize(
    ("changes", "reason"), [*NESTED_FIELDS, ({"case_id": OTHER_ID}, Reason.CASE_MISMATCH)]
)
def test_a_changed_field_of_the_approval(changes: dict[str, Any], reason: Reason) -> None:
    car, answer = a_car(Service.POSITION)
    approval = sign(answer.approval(**changes))
    refused(car.judge_grant(answer.signed(approval=approval)), reason, authenticated=True)
    expect_success(car, answer)


def test_the_tables_name_every_field() -> None:
    """A field that is added to a message and forgotten here fails this."""
    free = {"pin_session_id", "pin_age_s"}  # the first is the authority's own; the second: below
    common = set(Common.__dataclass_fields__)
    nested = {name for changes, _ in NESTED_FIELDS for name in changes}
    assert nested == common | (set(Evidence.__dataclass_fields__) - {"common"} - free)
    assert nested | {"case_id"} == common | (set(Approval.__dataclass_fields__) - {"common"})
    own = {name for _, changes, _ in GRANT_FIELDS for name in changes} | {"service"}
    assert own == common | (set(Grant.__dataclass_fields__) - {"common", "evidence", "max_age_s"})


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (DIRECT, ARMED),
        (ARMED, DIRECT),
        (ARMED, UnlockParameters(UnlockMode.ARMED, 301)),
        (ARMED, UnlockParameters(UnlockMode.ARMED, 299)),
        (SNAPSHOT, TRACKING),
        (TRACKING, SNAPSHOT),
        (TRACKING, PositionParameters(PositionKind.TRACKING, 59, 3600)),
        (TRACKING, PositionParameters(PositionKind.TRACKING, 60, 3601)),
    ],
)
def test_parameters_are_those_that_the_pin_was_given_for(asked: Any, granted: Any) -> None:
    service = Service.UNLOCK if isinstance(asked, UnlockParameters) else Service.POSITION
    car, answer = a_car(service, parameters=asked)
    refused(car.judge_grant(answer.signed(parameters=granted)), Reason.PARAMETERS_MISMATCH)
    expect_success(car, answer)


def test_a_grant_of_the_other_service() -> None:
    """Unlock asked, position granted, with an approval and evidence that agree with the grant."""
    car, answer = a_car(Service.UNLOCK)
    spoilt = answer.signed(
        service=Service.POSITION,
        parameters=SNAPSHOT,
        evidence=sign(answer.evidence(service=Service.POSITION)),
        approval=sign(answer.approval(service=Service.POSITION)),
    )
    refused(car.judge_grant(spoilt), Reason.SERVICE_MISMATCH, authenticated=True)
    expect_success(car, answer)


@pytest.mark.parametrize("service", [Service.APP_LINK, Service.ADD_USER, Service.END_SUBSCRIPTION])
def test_services_of_the_account_have_no_grants(service: Service) -> None:
    car, answer = a_car(service)
    refused(car.judge_grant(answer.signed()), Reason.SERVICE_MISMATCH, authenticated=True)
    assert car.table.find(answer.challenge.common.nonce, now=car.now) is answer.entry


def test_the_owners_other_car() -> None:
    """Everything right, for the car next to it."""
    car, answer = a_car(Service.UNLOCK)
    other = Car(verifier=verifier(vehicle_id="car-2"))
    other.centre.vehicle_id = "car-2"
    foreign = Answer(other.challenged(Service.UNLOCK), other.centre)
    refused(car.judge_grant(foreign.signed()), Reason.WRONG_VEHICLE, authenticated=True)
    evidence = sign(foreign.evidence())
    refused(car.judge_grant(answer.signed(evidence=evidence)), Reason.WRONG_VEHICLE)
    expect_success(car, answer)


def test_evidence_of_a_snapshot_cannot_be_stretched_into_tracking() -> None:
    car = Car()
    snapshot = Answer(car.challenged(Service.POSITION, parameters=SNAPSHOT), car.centre)
    tracking = Answer(car.challenged(Service.POSITION, parameters=TRACKING), car.centre)
    evidence, approval = sign(snapshot.evidence()), sign(snapshot.approval())
    stretched = snapshot.signed(parameters=TRACKING)
    refused(car.judge_grant(stretched), Reason.PARAMETERS_MISMATCH)
    for spoilt, reason in (
        (tracking.signed(evidence=evidence, approval=approval), Reason.REQUEST_MISMATCH),
        (tracking.signed(evidence=evidence), Reason.REQUEST_MISMATCH),
        (tracking.signed(approval=approval), Reason.REQUEST_MISMATCH),
    ):
        refused(car.judge_grant(spoilt), reason)
    expect_success(car, tracking)
    expect_success(car, snapshot)


# -------------------------------------------------------------------- envelopes, outer and inner

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


# ----------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("elapsed", "max_age_s", "fresh"),
    [
        (0, 120, True),
        (TTL_S - 0.001, 120, True),
        (TTL_S, 120, True),
        (TTL_S + 0.001, 120, False),
        (TTL_S + 1, 120, False),
        (0, 1, True),
        (1, 1, True),
        (1.001, 1, False),
        (29, 30, True),
        (30, 30, True),
        (31, 30, False),
        (-0.001, 120, False),
        (-3600, 120, False),
        (86_400.0, 120, False),
        (10 * 365 * 86_400.0, 120, False),
        (math.inf, 120, False),
        (math.nan, 120, False),
    ],
)
def test_a_grant_is_accepted_within_the_lifetime_alone(
    elapsed: float, max_age_s: int, *, fresh: bool
) -> None:
    car, answer = a_car(Service.UNLOCK)
    car.now = ISSUED_AT + elapsed
    verdict = car.judge_grant(answer.signed(max_age_s=max_age_s))
    if fresh:
        assert isinstance(verdict, UnlockAuthorisation)
        assert verdict.accepted_at <= verdict.expires_at
    else:
        refused(verdict, Reason.CHALLENGE_EXPIRED, authenticated=True)


def test_a_max_age_that_has_passed_leaves_the_challenge_alone() -> None:
    car, answer = a_car(Service.UNLOCK)
    car.now += 31
    refused(car.judge_grant(answer.signed(max_age_s=30)), Reason.CHALLENGE_EXPIRED)
    expect_success(car, answer)


def test_an_expired_challenge_does_not_come_back() -> None:
    car, answer = a_car(Service.UNLOCK)
    car.now = ISSUED_AT + TTL_S + 1
    refused(car.judge_grant(answer.signed()), Reason.CHALLENGE_EXPIRED)
    car.now = ISSUED_AT
    refused(car.judge_grant(answer.signed()), Reason.CHALLENGE_EXPIRED)


@pytest.mark.parametrize(
    ("service", "limit_s"), [(Service.UNLOCK, 600), (Service.POSITION, 259_200)]
)
@pytest.mark.parametrize(
    ("before", "elapsed", "young"),
    [(0, 0, True), (1, 0, False), (-10, 10, True), (-10, 10.5, False)],
)
def test_the_pin_check_is_young_enough_in_the_worst_case(
    service: Service, limit_s: int, before: int, elapsed: float, *, young: bool
) -> None:
    car, answer = a_car(service)
    car.now += elapsed
    evidence = sign(answer.evidence(pin_age_s=limit_s + before))
    verdict = car.judge_grant(answer.signed(evidence=evidence))
    if young:
        assert isinstance(verdict, UnlockAuthorisation | PositionAuthorisation)
    else:
        refused(verdict, Reason.PIN_TOO_OLD, authenticated=True)
        expect_success(car, answer)


# --------------------------------------------------------------- what the car knows meanwhile


def test_without_trust_nothing_is_read() -> None:
    car, answer = a_car(Service.UNLOCK)
    good, car.keyring = car.keyring, None
    verdict = refused(car.judge_grant(answer.signed()), Reason.TRUST_MISSING, authenticated=False)
    assert verdict.request_id == answer.challenge.common.request_id
    car.keyring = good
    expect_success(car, answer)


CHANGES: list[tuple[dict[str, Any] | None, Reason | None]] = [
    (None, Reason.ACCOUNT_MISSING),
    ({"epoch": 2}, Reason.ACCOUNT_MISSING),
    ({"epoch": 0}, Reason.ACCOUNT_MISSING),
    ({"subscription_active": False, "users": ()}, Reason.SUBSCRIPTION_ENDED),
    ({"ownership_generation": 3}, Reason.GENERATION_MISMATCH),
    ({"ownership_generation": 1}, Reason.GENERATION_MISMATCH),
    ({"pin_generation": 4}, Reason.GENERATION_MISMATCH),
    ({"pin_generation": 2}, Reason.GENERATION_MISMATCH),
    ({"version": 8}, None),
    ({"version": 8, "users": ("user-1", "user-2")}, None),
]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("changes", "reason"), CHANGES)
def test_what_changed_hands_after_the_challenge(
    service: Service, changes: dict[str, Any] | None, reason: Reason | None
) -> None:
    car, answer = a_car(service)
    good: Account | None = car.account
    assert good is not None
    car.account = None if changes is None else replace(good, **changes)
    if reason is not None:
        refused(car.judge_grant(answer.signed()), reason, authenticated=True)
        car.account = good
    expect_success(car, answer)


def test_a_new_epoch_of_both_is_another_epoch_than_the_challenges() -> None:
    car, answer = a_car(Service.UNLOCK)
    assert car.account is not None
    car.keyring, car.account = keyring(epoch=2), replace(car.account, epoch=2)
    refused(car.judge_grant(answer.signed()), Reason.GENERATION_MISMATCH, authenticated=True)


@pytest.mark.parametrize(
    "reason", [Reason.CHALLENGE_EXPIRED, Reason.GENERATION_MISMATCH, Reason.SUBSCRIPTION_ENDED]
)
def test_a_cleared_challenge_says_why_it_was(reason: Reason) -> None:
    car, answer = a_car(Service.UNLOCK)
    car.table.clear(reason)
    refused(car.judge_grant(answer.signed()), reason, authenticated=True)


def test_a_restart_forgets_every_challenge() -> None:
    car, answer = a_car(Service.UNLOCK)
    grant = answer.signed()
    restarted = Car(verifier=verifier(boot_id=bytes(8)))
    refused(restarted.judge_grant(grant), Reason.BOOT_ID_MISMATCH, authenticated=True)
    expect_success(car, answer)


def test_a_grant_again_gets_its_outcome_again_whatever_happened_since() -> None:
    car, answer = a_car(Service.UNLOCK)
    request_id = answer.challenge.common.request_id
    expect_success(car, answer)
    car.answered.add(request_id)
    for account in (car.account, None):
        car.account = account
        assert car.judge_grant(answer.signed()) == AlreadyAnswered(request_id=request_id)
    car.verifier = verifier(boot_id=bytes(8))
    assert car.judge_grant(answer.signed()) == AlreadyAnswered(request_id=request_id)
    spoilt = answer.signed()[:-1] + b"\x00"
    refused(car.judge_grant(spoilt), Reason.BAD_SIGNATURE, authenticated=False)


def test_two_grants_for_one_challenge_act_once() -> None:
    """Other bytes, same evidence: a second back end, or a malleated signature inside."""
    car, answer = a_car(Service.UNLOCK)
    first, second = answer.signed(max_age_s=100), answer.signed(max_age_s=110)
    assert isinstance(car.judge_grant(second), UnlockAuthorisation)
    refused(car.judge_grant(first), Reason.UNKNOWN_CHALLENGE, authenticated=True)


def test_several_challenges_are_kept_apart() -> None:
    car = Car()
    answers = [Answer(car.challenged(Service.UNLOCK), car.centre) for _ in range(4)]
    mixed = answers[0].signed(evidence=sign(answers[1].evidence()))
    refused(car.judge_grant(mixed), Reason.REQUEST_MISMATCH)
    for answer in reversed(answers):
        expect_success(car, answer)


def test_nobody_else_builds_an_authorisation() -> None:
    car, answer = a_car(Service.UNLOCK)
    unlock = expect_success(car, answer)
    assert isinstance(unlock, UnlockAuthorisation)
    with pytest.raises(BugError):
        replace(unlock, seal=object())
    car, answer = a_car(Service.POSITION)
    position = expect_success(car, answer)
    assert isinstance(position, PositionAuthorisation)
    with pytest.raises(BugError):
        replace(position, seal=None)


@pytest.mark.parametrize("party", [COMMAND, PIN_AUTHORITY, THEFT_DESK, ACCOUNT_SERVICE])
def test_one_stolen_key_moves_nothing(party: Party) -> None:
    """Whoever holds one role key and signs everything with it gets no authorisation."""
    for service in SERVICES:
        car, answer = a_car(service)
        forged = sign(
            answer.grant(
                evidence=sign(answer.evidence(), party),
                **(
                    {"approval": sign(answer.approval(), party)}
                    if service is Service.POSITION
                    else {}
                ),
            ),
            party,
        )
        refused(car.judge_grant(forged), Reason.WRONG_ROLE)
        expect_success(car, answer)
