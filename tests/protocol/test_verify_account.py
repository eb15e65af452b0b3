"""Account states: what the account service may change alone."""

from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.core.verify.verifier import AcceptedAccount
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Account
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.protocol.accounts import ENDED, STORED, accepted, next_state
from tests.protocol.car import Answer, Car, refused
from tests.protocol.signing import (
    ACCOUNT_SERVICE,
    ROLE_KEYS,
    Party,
    keyring,
    sign,
    sign_payload,
)

ALLOWED: list[tuple[Account, dict[str, Any], Reason | None]] = [
    (STORED, {}, None),
    (STORED, {"version": 2**53 - 1}, None),
    (STORED, {"users": ()}, None),
    (STORED, {"pin_generation": 4}, Reason.GENERATION_MISMATCH),
    (STORED, {"pin_generation": 9, "users": ()}, Reason.GENERATION_MISMATCH),
    (
        STORED,
        {"ownership_generation": 3, "pin_generation": 4, "users": ()},
        Reason.GENERATION_MISMATCH,
    ),
    (
        STORED,
        {
            "ownership_generation": 3,
            "pin_generation": 4,
            "users": (),
            "subscription_active": False,
        },
        Reason.SUBSCRIPTION_ENDED,
    ),
    (ENDED, {"users": (), "subscription_active": False}, Reason.SUBSCRIPTION_ENDED),
    (ENDED, {"users": (), "pin_generation": 4}, Reason.GENERATION_MISMATCH),
    (
        ENDED,
        {"users": (), "pin_generation": 4, "ownership_generation": 3},
        Reason.GENERATION_MISMATCH,
    ),
]


@pytest.mark.parametrize(("stored", "changes", "kills"), ALLOWED)
def test_what_takes_rights_away_needs_no_pin(
    stored: Account, changes: dict[str, Any], kills: Reason | None
) -> None:
    car = Car(account=stored)
    verdict = accepted(car, next_state(**changes))
    assert verdict.changed
    assert verdict.common is None
    assert verdict.kills_challenges is kills


FORBIDDEN: list[tuple[Account, dict[str, Any], Reason]] = [
    (
        STORED,
        {"version": STORED.version},
        Reason.STALE_VERSION,
    ),  # no change would be fine; see below
    (STORED, {"version": STORED.version - 1}, Reason.STALE_VERSION),
    (STORED, {"version": 0}, Reason.STALE_VERSION),
    (STORED, {"epoch": 0}, Reason.STALE_VERSION),
    (STORED, {"epoch": 2}, Reason.STALE_VERSION),
    (STORED, {"pin_generation": 2}, Reason.GENERATION_MISMATCH),
    (STORED, {"ownership_generation": 1}, Reason.GENERATION_MISMATCH),
    (
        STORED,
        {"ownership_generation": 1, "pin_generation": 4, "users": ()},
        Reason.GENERATION_MISMATCH,
    ),
    (
        STORED,
        {"ownership_generation": 3, "pin_generation": 4},
        Reason.CHANGE_NOT_ALLOWED,  # the former owner's user
    ),
    (
        STORED,
        {"ownership_generation": 3, "users": ()},
        Reason.CHANGE_NOT_ALLOWED,  # the former owner's PIN
    ),
    (STORED, {"subscription_active": False}, Reason.CHANGE_NOT_ALLOWED),  # users without one
    (STORED, {"subscription_active": False, "users": ()}, Reason.EVIDENCE_MISSING),
    (STORED, {"users": ("user-1", "user-2")}, Reason.EVIDENCE_MISSING),
    (STORED, {"users": ("user-2",)}, Reason.EVIDENCE_MISSING),
    (STORED, {"users": ("user-1", "user-2"), "pin_generation": 4}, Reason.EVIDENCE_MISSING),
    (ENDED, {"users": ()}, Reason.CHANGE_NOT_ALLOWED),  # back under the former owner's PIN
    (ENDED, {"users": ("user-1",), "pin_generation": 4}, Reason.EVIDENCE_MISSING),
]


@pytest.mark.parametrize(("stored", "changes", "reason"), FORBIDDEN)
def test_what_the_account_service_may_not_do_alone(
    stored: Account, changes: dict[str, Any], reason: Reason
) -> None:
    car = Car(account=stored)
    new = replace(next_state(), **changes)
    if new == stored:
        new = replace(new, users=())
    refused(car.judge_account(sign(new)), reason, authenticated=True)
    good = replace(stored, version=stored.version + 1)
    assert accepted(car, good).changed


def test_the_same_state_again_changes_nothing() -> None:
    car = Car()
    verdict = accepted(car, STORED)
    assert not verdict.changed
    assert verdict.common is None
    assert verdict.kills_challenges is None


@pytest.mark.parametrize(
    ("changes", "fine"),
    [
        ({"users": ()}, True),
        ({"users": (), "subscription_active": False}, True),
        ({"users": (), "version": 0}, True),
        ({}, False),
        ({"users": (), "evidence": b"x"}, False),
    ],
)
def test_the_first_state_a_car_gets_has_no_users(changes: dict[str, Any], *, fine: bool) -> None:
    car = Car(account=None)
    first = replace(STORED, **changes)
    if fine:
        verdict = accepted(car, first)
        assert verdict.changed
        assert verdict.kills_challenges is not None
    else:
        refused(car.judge_account(sign(first)), Reason.CHANGE_NOT_ALLOWED, authenticated=True)


def test_a_new_epoch_begins_anew_but_brings_no_users() -> None:
    car = Car(account=replace(STORED, version=2**53 - 1, pin_generation=2**32 - 1))
    car.keyring = keyring(epoch=2)
    down = next_state(epoch=2, version=1, pin_generation=3)
    assert accepted(car, down).kills_challenges is Reason.GENERATION_MISMATCH
    assert accepted(car, replace(down, users=())).changed
    assert accepted(car, replace(down, users=(), ownership_generation=1, pin_generation=0)).changed
    refused(
        car.judge_account(sign(replace(down, users=("user-1", "user-2")))), Reason.EVIDENCE_MISSING
    )
    refused(
        car.judge_account(sign(replace(down, ownership_generation=1))), Reason.CHANGE_NOT_ALLOWED
    )
    refused(car.judge_account(sign(replace(down, epoch=1))), Reason.STALE_VERSION)
    refused(car.judge_account(sign(replace(down, epoch=3))), Reason.STALE_VERSION)


def test_evidence_for_nothing_is_refused() -> None:
    car = Car()
    answer = Answer(car.challenged(Service.ADD_USER), car.centre)
    for changes in ({}, {"users": ()}, {"pin_generation": 4}):
        new = next_state(**changes, evidence=sign(answer.evidence()))
        refused(car.judge_account(sign(new)), Reason.CHANGE_NOT_ALLOWED, authenticated=True)
    assert car.table.find(answer.challenge.common.nonce, now=car.now) is answer.entry


# ------------------------------------------------------------------------------ envelope


def test_the_envelope_of_an_account_state() -> None:
    car = Car()
    good = next_state()
    typ, payload = codec.typ_of(Account), codec.encode(good)
    for party in ROLE_KEYS:
        if party is not ACCOUNT_SERVICE:
            refused(car.judge_account(sign(good, party)), Reason.WRONG_ROLE, authenticated=False)
    for data, reason in (
        (sign(good, Party("stranger")), Reason.UNKNOWN_KEY),
        (sign(good, environment="production"), Reason.BAD_SIGNATURE),
        (
            sign_payload(payload, typ="tcu-trust+cose", party=ACCOUNT_SERVICE),
            Reason.UNSUPPORTED_TYPE,
        ),
        (sign(replace(good, vehicle_id="car-2")), Reason.WRONG_VEHICLE),
        (sign_payload(payload[:-1], typ=typ, party=ACCOUNT_SERVICE), Reason.MALFORMED),
        (b"", Reason.MALFORMED),
    ):
        refused(car.judge_account(data), reason)
    trusted = car.keyring
    car.keyring = keyring(revoked=(ACCOUNT_SERVICE.kid,))
    refused(car.judge_account(sign(good)), Reason.KEY_REVOKED)
    car.keyring = None
    refused(car.judge_account(sign(good)), Reason.TRUST_MISSING)
    car.keyring = trusted
    assert accepted(car, good).changed


def test_every_truncation_and_every_flipped_bit_is_refused() -> None:
    car = Car()
    good = sign(next_state())
    for length in range(len(good)):
        refused(car.judge_account(good[:length]), Reason.MALFORMED, authenticated=False)
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert not isinstance(car.judge_account(bytes(bad)), AcceptedAccount), f"bit {bit}"


def test_a_stolen_account_key_gives_nobody_a_right() -> None:
    """It can take users away or force a new PIN; the unlock of the owner's command still needs one."""
    car = Car()
    forged = [
        next_state(users=("thief", "user-1")),
        next_state(ownership_generation=3, pin_generation=4, users=("thief",)),
        next_state(users=("thief", "user-1"), evidence=sign(next_state(), ACCOUNT_SERVICE)),
        next_state(epoch=2, users=("thief",)),
    ]
    for state in forged:
        verdict = car.judge_account(sign(state))
        assert not isinstance(verdict, AcceptedAccount), verdict
