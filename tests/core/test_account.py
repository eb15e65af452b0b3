"""Trust and account behind `Core.handle`: durable first, and what was allowed under the old ends."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.durable.knowledge import GONE_KEPT
from tcu_agent.core.effects import Persist, SendMessage
from tcu_agent.protocol.messages import Challenge, Result
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason, Role, Service
from tests.core.driver import Driver, Failure
from tests.protocol import signing


def account_with_evidence(car: Driver, **changes: object) -> bytes:
    """Return an account state that quotes the last challenge."""
    evidence = signing.sign(car.centre.evidence(car.challenge))
    values = {"users": (), "version": 8, **changes}
    return signing.sign(signing.account_state(evidence=evidence, **values))


def test_what_the_car_has_learnt_is_told_and_survives(car: Driver) -> None:
    (trust,) = car.events(EventKind.TRUST_CHANGED)
    assert trust.values == {vss.TRUST_VERSION: 1, vss.TRUST_EPOCH: 1}
    (account,) = car.events(EventKind.ACCOUNT_CHANGED)
    assert account.values == {
        vss.ACCOUNT_VERSION: 7,
        vss.OWNERSHIP_GENERATION: 2,
        vss.PIN_GENERATION: 3,
        vss.SUBSCRIPTION_ACTIVE: True,
    }
    knowledge = car.core._parts.knowledge
    car.restart()
    assert car.core._parts.knowledge == knowledge
    car.ask(Service.UNLOCK)
    assert car.challenge.pin_generation == 3


def test_the_same_again_changes_nothing(car: Driver) -> None:
    before = len(car.done)
    car.provision()
    assert len(car.done) == before


@pytest.mark.parametrize(
    ("service", "changes"),
    [
        (Service.APP_LINK, {"users": ("user-2",)}),
        (Service.ADD_USER, {"users": ("user-2",)}),
        (Service.END_SUBSCRIPTION, {"subscription_active": False}),
    ],
)
def test_account_services_end_with_a_result(
    car: Driver, service: Service, changes: dict[str, object]
) -> None:
    request = car.ask(service)
    payload = account_with_evidence(car, **changes)
    car.receive("account", payload)
    (result,) = car.results
    assert result.common == car.challenge.common
    assert (result.outcome, result.reason) == (Outcome.EXECUTED, Reason.NONE)
    car.receive("account", payload)
    assert len(car.results) == 1
    assert request.request_id in car.core._parts.outcomes


def test_an_account_change_that_is_not_allowed_is_refused(car: Driver) -> None:
    request = car.ask(Service.ADD_USER)
    car.receive("account", account_with_evidence(car, users=("user-3",)))
    assert car.refusals == [Reason.CHANGE_NOT_ALLOWED]
    assert car.results == []
    assert request.request_id not in car.core._parts.outcomes


def test_after_the_end_of_the_subscription_nothing_remote_works(car: Driver) -> None:
    car.ask(Service.END_SUBSCRIPTION)
    car.receive("account", account_with_evidence(car, subscription_active=False))
    told = len(car.events(EventKind.STATE_CHANGED))
    for service in Service:
        car.ask(service)
    assert car.refusals == [Reason.SUBSCRIPTION_ENDED] * len(Service)
    car.locks(False)
    car.change({vss.ALARM: "triggered"})
    car.pass_time(60)
    assert len(car.events(EventKind.STATE_CHANGED)) == told
    assert car.events(EventKind.ALARM) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pin_generation": 4}, Reason.GENERATION_MISMATCH),
        ({"ownership_generation": 3, "pin_generation": 4}, Reason.GENERATION_MISMATCH),
        (
            {"ownership_generation": 3, "pin_generation": 4, "subscription_active": False},
            Reason.SUBSCRIPTION_ENDED,
        ),
    ],
)
def test_challenges_die_with_their_generation(
    car: Driver, changes: dict[str, object], reason: Reason
) -> None:
    grant = car.grant_for(car.ask(Service.UNLOCK))
    car.tell_account(version=8, **changes)
    car.receive("grant", grant)
    assert car.refusals == [reason]
    assert car.unlock_frames == []


def test_challenges_live_through_an_account_without_a_new_generation(car: Driver) -> None:
    grant = car.grant_for(car.ask(Service.UNLOCK))
    car.tell_account(version=8)
    car.receive("grant", grant)
    assert len(car.unlock_frames) == 1


def test_a_new_trust_bundle_ends_what_was_begun_under_the_old(car: Driver) -> None:
    car.allow(Service.UNLOCK, parameters=signing.ARMED)
    grant = car.grant_for(car.ask(Service.UNLOCK))
    car.receive("trust", signing.trust_container(version=2))
    assert car.results[0].reason is Reason.GENERATION_CHANGED
    car.receive("grant", grant)
    assert car.refusals == [Reason.GENERATION_MISMATCH]


def test_a_revoked_key_is_refused_at_once(car: Driver) -> None:
    car.receive("trust", signing.trust_container(version=2, revoked=(signing.COMMAND.kid,)))
    car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.KEY_REVOKED]


def test_a_bundle_that_goes_back_is_refused(car: Driver) -> None:
    car.receive("trust", signing.trust_container(version=5))
    car.receive("trust", signing.trust_container(version=4))
    assert car.refusals == [Reason.STALE_VERSION]
    car.restart()
    car.receive("trust", signing.trust_container(version=4))
    assert car.refusals == [Reason.STALE_VERSION] * 2


def rotate(car: Driver, command: signing.Party, *, version: int) -> None:
    """Let the car have a bundle with this command key alone."""
    keys = tuple(
        command.key_record() if party is signing.COMMAND else party.key_record()
        for party in signing.ROLE_KEYS
    )
    car.receive("trust", signing.trust_container(version=version, keys=keys))


def test_a_key_that_came_back_does_not_take_its_old_requests_again(car: Driver) -> None:
    request = signing.sign(car.centre.request(Service.UNLOCK))
    car.receive("request", request)
    rotate(car, signing.Party("command 2", role=Role.COMMAND), version=2)
    car.restart()
    rotate(car, signing.COMMAND, version=3)
    car.receive("request", request)
    assert len(car.sent(Challenge)) == 1
    assert car.refusals[-1] is Reason.STALE_REQUEST


def test_the_marks_of_the_last_keys_that_are_gone_stay(car: Driver) -> None:
    others = [signing.Party(f"command {n}", role=Role.COMMAND) for n in range(GONE_KEPT + 1)]
    for version, party in enumerate(others, start=2):
        rotate(car, party, version=version)
        car.pass_time(60)
        car.receive("request", signing.sign(car.centre.request(Service.STATE), party))
        car.restart()
    kids = [party.kid for party in others]
    assert list(car.core._parts.knowledge.marks) == kids
    rotate(car, signing.COMMAND, version=len(others) + 2)
    assert list(car.core._parts.knowledge.marks) == kids[1:]
    rotate(car, others[1], version=len(others) + 3)
    assert list(car.core._parts.knowledge.marks) == [*kids[2:], kids[1]], "it is in the bundle"
    car.restart()
    assert list(car.core._parts.knowledge.marks) == [*kids[2:], kids[1]]


def test_a_request_is_never_answered_twice_in_spite_of_restarts(car: Driver) -> None:
    request = signing.sign(car.centre.request(Service.UNLOCK))
    car.receive("request", request)
    car.restart()
    car.receive("request", request)
    assert len(car.sent(Challenge)) == 1
    assert car.refusals == [Reason.STALE_REQUEST]


def test_the_mark_is_durable_before_the_challenge_leaves(car: Driver) -> None:
    before = len(car.done)
    car.ask(Service.UNLOCK)
    persist, send = (effect for _, effect in car.done[before:])
    assert isinstance(persist, Persist)
    assert records.MARKS in persist.puts
    assert isinstance(send, SendMessage)
    assert isinstance(send.message, Challenge)


def test_without_a_durable_mark_there_is_no_challenge(car: Driver) -> None:
    car.failures.append(Failure(lambda effect: isinstance(effect, Persist)))
    request = car.ask(Service.UNLOCK)
    assert car.sent(Challenge) == []
    assert car.refusals == [Reason.STATE_CORRUPT]
    car.pass_time(2)
    car.restart()
    car.receive("request", signing.sign(request))
    assert car.refusals[-1] is Reason.STALE_REQUEST


def test_a_request_that_has_an_outcome_gets_its_result_again(car: Driver) -> None:
    car.locks(False)
    request = car.ask(Service.UNLOCK)
    car.receive("grant", car.grant_for(request))
    again = car.centre.request(Service.UNLOCK, request_id=request.request_id)
    car.receive("request", signing.sign(again))
    assert car.sent(Result) == car.results
    assert len(car.sent(Challenge)) == 1
