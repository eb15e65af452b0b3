"""Two back ends at once, a fail-over gone wrong or a thief beside the command service: one actuation at a time."""

from __future__ import annotations

import pytest

from tcu_agent.core.effects import TransmitUnlock
from tcu_agent.protocol.messages import Challenge, Request, Result
from tcu_agent.protocol.vocabulary import Outcome, Reason, Role, Service
from tests.core.driver import Driver
from tests.protocol import signing

NEXT = signing.Party("command, the other", role=Role.COMMAND)
BOTH = (signing.COMMAND, NEXT)


@pytest.fixture
def car() -> Driver:
    """A car whose bundle has two command keys."""
    car = Driver()
    keys = tuple(party.key_record() for party in (*signing.ROLE_KEYS, NEXT))
    car.receive("trust", signing.trust_container(keys=keys))
    car.tell_account()
    return car


def ask(car: Driver, seq: int, name: str, party: signing.Party = signing.COMMAND) -> Request:
    """Let one of the back ends ask for an unlock."""
    request = signing.Centre().request(
        Service.UNLOCK, seq=seq, request_id=signing.id16(f"request {name}")
    )
    car.receive("request", signing.sign(request, party))
    return request


def grant(car: Driver, request: Request, party: signing.Party = signing.COMMAND) -> bytes:
    """Return the grant that answers the challenge to a request."""
    (challenge,) = (
        each for each in car.sent(Challenge) if each.common.request_id == request.request_id
    )
    return signing.sign(car.centre.grant(challenge, request.parameters), party)


def verdicts(car: Driver) -> dict[bytes, tuple[Outcome, Reason]]:
    return {each.common.request_id: (each.outcome, each.reason) for each in car.results}


def test_with_one_key_and_two_counters_the_higher_number_is_heard(car: Driver) -> None:
    ask(car, 1, "of the first")
    ask(car, 1, "of the second")
    ask(car, 2, "of the second, again")
    ask(car, 2, "of the first, again")
    assert car.refusals == [Reason.STALE_REQUEST, Reason.STALE_REQUEST]
    assert len(car.sent(Challenge)) == 2


def test_with_a_key_each_neither_silences_the_other(car: Driver) -> None:
    for seq, party in ((9, signing.COMMAND), (1, NEXT), (10, signing.COMMAND), (2, NEXT)):
        ask(car, seq, f"{party.name} {seq}", party)
    assert car.refusals == []
    assert len(car.sent(Challenge)) == 4


@pytest.mark.parametrize("second", BOTH, ids=lambda party: party.name)
def test_both_granted_at_once_moves_the_car_once(car: Driver, second: signing.Party) -> None:
    mine, theirs = ask(car, 1, "mine"), ask(car, 2, "theirs", second)
    grants = [grant(car, mine), grant(car, theirs, second)]
    for each in (*grants, *grants):
        car.receive("grant", each)
    assert len(car.unlock_frames) == 1
    assert verdicts(car) == {theirs.request_id: (Outcome.REFUSED, Reason.BUSY)}
    car.pass_time(0.3)
    car.locks(False)
    assert verdicts(car)[mine.request_id] == (Outcome.EXECUTED, Reason.NONE)
    for each in grants:
        car.receive("grant", each)
    assert len(car.seen(TransmitUnlock)) == 1
    assert {each.common.request_id for each in car.sent(Result)} == {
        mine.request_id,
        theirs.request_id,
    }


def test_one_challenge_granted_by_both_acts_once(car: Driver) -> None:
    request = ask(car, 1, "mine")
    first, second = grant(car, request), grant(car, request, NEXT)
    car.receive("grant", first)
    car.receive("grant", second)
    assert len(car.unlock_frames) == 1
    car.pass_time(0.3)
    car.locks(False)
    assert list(verdicts(car).values()) == [(Outcome.EXECUTED, Reason.NONE)]


def test_who_takes_a_request_over_gets_its_answer_and_no_second_one(car: Driver) -> None:
    request = ask(car, 1, "mine")
    ask(car, 1, "mine", NEXT)
    assert car.refusals == [Reason.BUSY]
    car.receive("grant", grant(car, request))
    car.pass_time(0.3)
    car.locks(False)
    ask(car, 2, "mine", NEXT)
    assert car.sent(Result) == car.results
    assert len(car.sent(Challenge)) == 1
    assert len(car.unlock_frames) == 1
