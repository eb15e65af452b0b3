"""Account states that need somebody's PIN: the right evidence, for this one change, once."""

from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.protocol.vocabulary import Reason, Role, Service
from tests.protocol.accounts import ENDED, OTHER_ID, accepted, next_state
from tests.protocol.car import ISSUED_AT, TTL_S, Answer, Car, refused
from tests.protocol.signing import (
    PIN_AUTHORITY,
    ROLE_KEYS,
    Party,
    sign,
)

WITH_PIN: list[tuple[Service, dict[str, Any]]] = [
    (Service.ADD_USER, {"users": ("user-1", "user-2")}),
    (Service.APP_LINK, {"users": ("user-1", "user-2")}),
    (Service.END_SUBSCRIPTION, {"users": (), "subscription_active": False}),
]


def asked(service: Service) -> tuple[Car, Answer]:
    car = Car()
    return car, Answer(car.challenged(service), car.centre)


@pytest.mark.parametrize(("service", "changes"), WITH_PIN)
def test_with_the_pin_it_changes_once(service: Service, changes: dict[str, Any]) -> None:
    car, answer = asked(service)
    new = next_state(**changes, evidence=sign(answer.evidence()))
    verdict = accepted(car, new)
    assert verdict.changed
    assert verdict.common == answer.challenge.common
    ended = service is Service.END_SUBSCRIPTION
    assert verdict.kills_challenges is (Reason.SUBSCRIPTION_ENDED if ended else None)
    refused(car.judge_account(sign(new)), Reason.UNKNOWN_CHALLENGE, authenticated=True)
    car.account = new
    assert not accepted(car, new).changed
    later = replace(new, version=new.version + 1)
    refused(car.judge_account(sign(later)), Reason.CHANGE_NOT_ALLOWED)


def expect_success(car: Car, answer: Answer, changes: dict[str, Any]) -> None:
    new = next_state(**changes, evidence=sign(answer.evidence()))
    assert accepted(car, new).common == answer.challenge.common


MORE: list[tuple[Service, dict[str, Any], Reason]] = [
    (Service.ADD_USER, {"users": ("user-1", "user-3")}, Reason.CHANGE_NOT_ALLOWED),
    (Service.ADD_USER, {"users": ("user-2",)}, Reason.CHANGE_NOT_ALLOWED),
    (Service.ADD_USER, {"users": ("user-1", "user-2", "user-3")}, Reason.CHANGE_NOT_ALLOWED),
    (
        Service.ADD_USER,
        {"users": ("user-1", "user-2"), "pin_generation": 4},
        Reason.CHANGE_NOT_ALLOWED,
    ),
    (Service.ADD_USER, {"users": (), "subscription_active": False}, Reason.CHANGE_NOT_ALLOWED),
    (Service.END_SUBSCRIPTION, {"users": ("user-1", "user-2")}, Reason.CHANGE_NOT_ALLOWED),
    (
        Service.END_SUBSCRIPTION,
        {"users": (), "subscription_active": False, "pin_generation": 4},
        Reason.CHANGE_NOT_ALLOWED,
    ),
    (Service.UNLOCK, {"users": ("user-1", "user-2")}, Reason.SERVICE_MISMATCH),
    (Service.POSITION, {"users": (), "subscription_active": False}, Reason.SERVICE_MISMATCH),
]


@pytest.mark.parametrize(("service", "changes", "reason"), MORE)
def test_the_pin_is_for_one_change_and_no_other(
    service: Service, changes: dict[str, Any], reason: Reason
) -> None:
    car, answer = asked(service)
    new = next_state(**changes, evidence=sign(answer.evidence()))
    refused(car.judge_account(sign(new)), reason, authenticated=True)
    assert car.table.find(answer.challenge.common.nonce, now=car.now) is answer.entry
    good = dict(WITH_PIN).get(service)
    if good is not None:
        expect_success(car, answer, good)


EVIDENCE_FIELDS: list[tuple[dict[str, Any], Reason]] = [
    ({"vehicle_id": "car-2"}, Reason.WRONG_VEHICLE),
    ({"service": Service.UNLOCK}, Reason.SERVICE_MISMATCH),
    ({"request_id": OTHER_ID}, Reason.REQUEST_MISMATCH),
    ({"nonce": OTHER_ID}, Reason.UNKNOWN_CHALLENGE),
    ({"nonce": OTHER_ID, "boot_id": bytes(8)}, Reason.BOOT_ID_MISMATCH),
    ({"boot_id": bytes(8)}, Reason.BOOT_ID_MISMATCH),
    ({"challenge_hash": bytes(32)}, Reason.CHALLENGE_MISMATCH),
    ({"pin_age_s": 601}, Reason.PIN_TOO_OLD),
]


@pytest.mark.parametrize(("service", "good"), WITH_PIN)
@pytest.mark.parametrize(("changes", "reason"), EVIDENCE_FIELDS)
def test_a_changed_field_of_the_evidence(
    service: Service, good: dict[str, Any], changes: dict[str, Any], reason: Reason
) -> None:
    car, answer = asked(service)
    evidence = sign(answer.evidence(**changes))
    new = next_state(**good, evidence=evidence)
    verdict = refused(car.judge_account(sign(new)), reason, authenticated=True)
    claimed = changes.get("request_id", answer.challenge.common.request_id)
    assert verdict.request_id == claimed
    expect_success(car, answer, good)


@pytest.mark.parametrize(("service", "good"), WITH_PIN)
def test_evidence_by_anybody_else(service: Service, good: dict[str, Any]) -> None:
    car, answer = asked(service)
    for party in (*ROLE_KEYS, Party("stranger", role=Role.PIN_AUTHORITY)):
        if party is PIN_AUTHORITY:
            continue
        known = party in ROLE_KEYS
        new = next_state(**good, evidence=sign(answer.evidence(), party))
        refused(
            car.judge_account(sign(new)),
            Reason.WRONG_ROLE if known else Reason.UNKNOWN_KEY,
            authenticated=True,
        )
    new = next_state(**good, evidence=b"\xd2")
    assert refused(car.judge_account(sign(new)), Reason.MALFORMED).request_id is None
    expect_success(car, answer, good)


@pytest.mark.parametrize(
    ("elapsed", "pin_age_s", "reason"),
    [
        (TTL_S, 12, None),
        (TTL_S + 0.5, 12, Reason.CHALLENGE_EXPIRED),
        (-1, 12, Reason.CHALLENGE_EXPIRED),
        (10, 590, None),
        (10, 591, Reason.PIN_TOO_OLD),
    ],
)
def test_evidence_has_its_time(elapsed: float, pin_age_s: int, reason: Reason | None) -> None:
    car, answer = asked(Service.ADD_USER)
    car.now = ISSUED_AT + elapsed
    evidence = sign(answer.evidence(pin_age_s=pin_age_s))
    new = next_state(users=("user-1", "user-2"), evidence=evidence)
    if reason is None:
        assert accepted(car, new).changed
    else:
        refused(car.judge_account(sign(new)), reason, authenticated=True)


def test_a_pin_change_between_challenge_and_evidence() -> None:
    car, answer = asked(Service.ADD_USER)
    renewed = next_state(pin_generation=4)
    car.account = renewed
    new = replace(
        renewed,
        version=renewed.version + 1,
        users=("user-1", "user-2"),
        evidence=sign(answer.evidence()),
    )
    refused(car.judge_account(sign(new)), Reason.GENERATION_MISMATCH, authenticated=True)


def test_after_the_end_the_pin_of_the_former_owner_links_nobody() -> None:
    car, answer = asked(Service.APP_LINK)
    car.account = ENDED
    new = replace(
        ENDED,
        version=ENDED.version + 1,
        users=("user-2",),
        evidence=sign(answer.evidence()),
    )
    refused(car.judge_account(sign(new)), Reason.CHANGE_NOT_ALLOWED)
    new = replace(new, subscription_active=True)
    refused(car.judge_account(sign(new)), Reason.CHANGE_NOT_ALLOWED)
