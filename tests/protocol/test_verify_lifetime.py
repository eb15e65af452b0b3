"""When a grant is accepted: its time, what the car has learnt meanwhile, and at most once."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.core.verify.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.core.verify.verifier import AlreadyAnswered
from tcu_agent.errors import BugError
from tcu_agent.protocol.messages import (
    Account,
)
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.protocol.car import ISSUED_AT, TTL_S, Answer, Car, a_car, expect_success, refused
from tests.protocol.signing import (
    ACCOUNT_SERVICE,
    COMMAND,
    PIN_AUTHORITY,
    THEFT_DESK,
    Party,
    keyring,
    sign,
    verifier,
)

SERVICES = [Service.UNLOCK, Service.POSITION]


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
