"""Requests: who may ask, how often, and what is used up by asking."""

from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.core.verify.verifier import AcceptedRequest, AlreadyAnswered, RequestMark
from tcu_agent.protocol import codec
from tcu_agent.protocol.vocabulary import Reason, Role, Service
from tests.protocol.car import ISSUED_AT, TTL_S, Car, refused
from tests.protocol.signing import (
    BOOT_ID,
    COMMAND,
    ROLE_KEYS,
    VEHICLE_ID,
    Party,
    id16,
    keyring,
    sign,
    sign_payload,
)

NEW_COMMAND = Party("command, the next", role=Role.COMMAND)


@pytest.mark.parametrize("service", Service)
def test_a_good_request_is_accepted(service: Service) -> None:
    car = Car()
    request = car.centre.request(service)
    accepted = car.judge_request(sign(request))
    assert accepted == AcceptedRequest(
        request=request,
        request_hash=codec.payload_hash(codec.encode(request)),
        mark=RequestMark(kid=COMMAND.kid, seq=request.seq),
    )


def test_a_request_never_enters_twice() -> None:
    car = Car()
    request = car.centre.request(Service.UNLOCK, seq=10)
    data = sign(request)
    assert isinstance(car.judge_request(data), AcceptedRequest)
    car.marks[COMMAND.kid] = 10
    verdict = refused(car.judge_request(data), Reason.STALE_REQUEST, authenticated=True)
    assert verdict.request_id == request.request_id
    assert verdict.mark is None
    for seq, fresh in ((9, False), (0, False), (11, True), (2**53 - 1, True)):
        judged = car.judge_request(sign(replace(request, seq=seq)))
        assert isinstance(judged, AcceptedRequest) is fresh


def test_seq_0_is_a_seq() -> None:
    """A car without a mark takes it, one with the mark 0 does not: there is no opt-out."""
    car = Car()
    data = sign(car.centre.request(Service.UNLOCK, seq=0))
    assert isinstance(car.judge_request(data), AcceptedRequest)
    car.marks[COMMAND.kid] = 0
    refused(car.judge_request(data), Reason.STALE_REQUEST)


def test_a_thief_spoils_the_mark_of_the_stolen_key_alone() -> None:
    records = tuple(p.key_record() for p in (*ROLE_KEYS, NEW_COMMAND))
    car = Car(keyring=keyring(keys=records), marks={COMMAND.kid: 2**53 - 1})
    request = car.centre.request(Service.UNLOCK)
    refused(car.judge_request(sign(request)), Reason.STALE_REQUEST)
    accepted = car.judge_request(sign(request, NEW_COMMAND))
    assert isinstance(accepted, AcceptedRequest)
    assert accepted.mark == RequestMark(kid=NEW_COMMAND.kid, seq=request.seq)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, Reason.ACCOUNT_MISSING),
        ({"epoch": 2}, Reason.ACCOUNT_MISSING),
        ({"subscription_active": False, "users": ()}, Reason.SUBSCRIPTION_ENDED),
    ],
)
@pytest.mark.parametrize("service", Service)
def test_what_the_account_forbids_uses_up_the_seq(
    service: Service, changes: dict[str, Any] | None, reason: Reason
) -> None:
    car = Car()
    good = car.account
    assert good is not None
    car.account = None if changes is None else replace(good, **changes)
    request = car.centre.request(service)
    verdict = refused(car.judge_request(sign(request)), reason, authenticated=True)
    assert verdict.mark == RequestMark(kid=COMMAND.kid, seq=request.seq)
    assert verdict.request_id == request.request_id
    car.account = good
    assert isinstance(car.judge_request(sign(request)), AcceptedRequest)


def test_a_request_id_that_was_answered_is_answered_again() -> None:
    car = Car()
    request = car.centre.request(Service.UNLOCK)
    car.answered.add(request.request_id)
    car.account = None
    assert car.judge_request(sign(request)) == AlreadyAnswered(
        request_id=request.request_id, mark=RequestMark(kid=COMMAND.kid, seq=request.seq)
    )


def test_another_car() -> None:
    car = Car()
    request = car.centre.request(Service.UNLOCK)
    foreign = replace(request, vehicle_id="car-2")
    verdict = refused(car.judge_request(sign(foreign)), Reason.WRONG_VEHICLE, authenticated=True)
    assert verdict.mark is None
    assert isinstance(car.judge_request(sign(request)), AcceptedRequest)


@pytest.mark.parametrize(
    "party", [p for p in ROLE_KEYS if p is not COMMAND], ids=lambda party: party.name
)
def test_no_other_role_asks(party: Party) -> None:
    car = Car()
    request = car.centre.request(Service.UNLOCK)
    refused(car.judge_request(sign(request, party)), Reason.WRONG_ROLE, authenticated=False)


def test_the_request_id_is_named_only_where_one_can_be_read() -> None:
    car = Car()
    request = car.centre.request(Service.UNLOCK)
    typ = codec.typ_of(type(request))
    forged = refused(car.judge_request(sign(request, Party("stranger"))), Reason.UNKNOWN_KEY)
    assert forged.request_id == request.request_id
    for payload in (
        b"\xff",
        b"\x80",
        b"\xa0",
        b"\xa1\x02\x41\x00",
        b"\xa1\x02\x05",
        b"\xa1\x0a\x05",
    ):
        data = sign_payload(payload, typ=typ, party=COMMAND)
        verdict = refused(car.judge_request(data), Reason.MALFORMED, authenticated=True)
        assert verdict.request_id is None
    assert refused(car.judge_request(b""), Reason.MALFORMED, authenticated=False).request_id is None


def test_a_challenge_repeats_the_request_and_tells_what_the_car_knows() -> None:
    car = Car()
    entry = car.challenged(Service.UNLOCK)
    challenge, request = entry.challenge, entry.request
    assert challenge.common.vehicle_id == VEHICLE_ID
    assert challenge.common.service is Service.UNLOCK
    assert challenge.common.request_id == request.request_id
    assert challenge.common.nonce == id16("nonce 1")
    assert challenge.common.boot_id == BOOT_ID
    assert challenge.request_hash == codec.payload_hash(codec.encode(request))
    assert (challenge.trust_version, challenge.trust_epoch) == (1, 1)
    assert (challenge.account_version, challenge.ownership_generation) == (7, 2)
    assert (challenge.pin_generation, challenge.ttl_s) == (3, TTL_S)
    assert entry.issued_at == ISSUED_AT


def test_every_truncation_is_malformed() -> None:
    car = Car()
    data = sign(car.centre.request(Service.UNLOCK))
    for length in range(len(data)):
        refused(car.judge_request(data[:length]), Reason.MALFORMED, authenticated=False)
