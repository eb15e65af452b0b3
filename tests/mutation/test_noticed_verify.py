"""Challenges and permissions: differences that no test beside the machines noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_agent.core.verify import authorisation
from tcu_agent.core.verify.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.core.verify.challenges import ChallengeTable, Outstanding
from tcu_agent.core.verify.verdicts import Refused
from tcu_agent.protocol import cose
from tcu_agent.protocol.codec import payload_hash
from tcu_agent.protocol.messages import Common, Request
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.protocol.car import a_car
from tests.protocol.signing import SNAPSHOT, TRACKING, id16, sign
from tests.protocol.test_challenges import TTL_S, a_challenge, a_request, find, issue

CASE_A, CASE_B = id16("case A"), id16("case B")


def about_a_position(table: ChallengeTable, name: str, case_id: bytes) -> Request:
    request = replace(
        a_request(name), service=Service.POSITION, incident_id=case_id, parameters=SNAPSHOT
    )
    entry = table.issue(request, a_challenge(name), account_epoch=1, now=0.0)
    assert isinstance(entry, Outstanding)
    return request


def test_the_end_of_a_case_kills_its_own_challenges_alone() -> None:
    table = ChallengeTable()
    about_a_position(table, "a", CASE_A)
    about_a_position(table, "b", CASE_B)
    unlock = replace(a_request("door"), incident_id=CASE_A)
    table.issue(unlock, a_challenge("door"), account_epoch=1, now=0.0)
    assert table.case_ids == {CASE_A, CASE_B}
    table.end_case(CASE_A)
    assert table.case_ids == {CASE_B}
    assert find(table, "a") is Reason.CASE_MISMATCH
    assert isinstance(find(table, "b"), Outstanding)
    assert isinstance(find(table, "door"), Outstanding)


def test_the_places_of_an_ended_case_stay_taken_until_their_time_is_over() -> None:
    table = ChallengeTable(capacity=2)
    about_a_position(table, "a", CASE_A)
    about_a_position(table, "b", CASE_A)
    table.end_case(CASE_A)
    assert issue(table, "c", now=TTL_S) is Reason.BUSY
    assert isinstance(issue(table, "c", now=TTL_S + 0.001), Outstanding)


@pytest.mark.parametrize(
    ("now", "is_live"), [(0.0, True), (TTL_S, True), (TTL_S + 0.001, False), (-1.0, False)]
)
def test_a_challenge_is_live_as_long_as_it_can_be_answered(now: float, is_live: bool) -> None:
    table = ChallengeTable()
    assert not table.has_live(now)
    issue(table, "x")
    assert table.has_live(now) is is_live


def test_a_permission_that_goes_on_after_a_restart_is_for_the_same_and_older_than_anything() -> (
    None
):
    common = Common(
        vehicle_id="car-1",
        service=Service.POSITION,
        request_id=id16("request"),
        nonce=id16("nonce"),
        boot_id=bytes(8),
    )
    again = authorisation.resume_position(
        common=common, parameters=TRACKING, case_id=CASE_A, grant_hash=bytes(32)
    )
    assert (again.common, again.parameters) == (common, TRACKING)
    assert (again.case_id, again.grant_hash) == (CASE_A, bytes(32))
    assert again.accepted_at == again.expires_at == float("-inf")


WRONG: list[tuple[str, dict[str, bytes], str]] = [
    ("evidence", {"nonce": bytes(16)}, "evidence"),
    ("evidence", {"challenge_hash": bytes(32)}, "evidence"),
    ("approval", {"nonce": bytes(16)}, "approval"),
    ("approval", {"challenge_hash": bytes(32)}, "approval"),
]


@pytest.mark.parametrize(("part", "changes", "named"), WRONG)
def test_a_refusal_names_the_part_that_is_wrong(
    part: str, changes: dict[str, bytes], named: str
) -> None:
    car, answer = a_car(Service.POSITION)
    spoilt = sign(getattr(answer, part)(**changes))
    verdict = car.judge_grant(answer.signed(**{part: spoilt}))
    assert isinstance(verdict, Refused)
    assert verdict.detail.startswith(named)


@pytest.mark.parametrize("service", [Service.UNLOCK, Service.POSITION])
def test_a_permission_is_for_what_was_asked_and_granted(service: Service) -> None:
    car, answer = a_car(service)
    signed = answer.signed()
    car.now += 7
    verdict = car.judge_grant(signed)
    assert isinstance(verdict, UnlockAuthorisation | PositionAuthorisation)
    assert verdict.common == answer.challenge.common
    assert verdict.parameters == answer.entry.request.parameters
    if isinstance(verdict, PositionAuthorisation):
        assert verdict.case_id == answer.entry.request.incident_id
    else:
        assert verdict.incident_id == answer.entry.request.incident_id
    assert verdict.grant_hash == payload_hash(cose.parse(signed).claimed_payload)
    assert verdict.accepted_at == car.now
    assert verdict.expires_at == answer.entry.issued_at + answer.challenge.ttl_s


def test_a_refusal_names_the_grant_itself_where_that_is_wrong() -> None:
    car, answer = a_car(Service.UNLOCK)
    verdict = car.judge_grant(answer.signed(request_id=bytes(16)))
    assert isinstance(verdict, Refused)
    assert verdict.detail.startswith("grant")
