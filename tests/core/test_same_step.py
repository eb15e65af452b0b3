"""What a message makes durable, the very step that brings it holds to already (G6): time and signals come first in it.

A step looks at its machines before it takes the message. What they decided in it stands behind the transaction that
holds the news, and must not leave any more if the news took the right to it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import (
    Effect,
    Persist,
    SealPosition,
    TransmitLock,
    TransmitUnlock,
)
from tcu_agent.protocol.messages import Result
from tcu_agent.protocol.vocabulary import EventKind, LockState, Outcome, Reason, Role, Service
from tests.core.driver import Driver, Failure, PowerCut
from tests.core.test_position import HERE, snapshot, track
from tests.protocol import signing

News = Callable[[Driver], None]


def new_pin(car: Driver) -> None:
    car.tell_account(version=8, pin_generation=4)


def new_owner(car: Driver) -> None:
    car.tell_account(version=8, pin_generation=4, ownership_generation=3)


def subscription_ended(car: Driver) -> None:
    car.tell_account(version=8, pin_generation=4, ownership_generation=3, subscription_active=False)


def keys_revoked(car: Driver) -> None:
    revoked = (signing.COMMAND.kid, signing.PIN_AUTHORITY.kid)
    car.receive("trust", signing.trust_container(version=2, revoked=revoked))


NEWS = [new_pin, new_owner, subscription_ended, keys_revoked]


def effects_of(car: Driver, news: News) -> list[Effect]:
    """Return everything that the step with the news has done, and those that it was the cause of."""
    before = len(car.done)
    news(car)
    return [effect for _, effect in car.done[before:]]


def about_to_fire(car: Driver) -> None:
    """Let an unlock wait for a re-lock that ends in a step in which the unlock has been judged already."""
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(120.2)
    assert len(car.lock_frames) == 1
    car.allow(Service.UNLOCK)
    car.locks(True)
    assert (car.core.snapshot()["unlock"], car.core.snapshot()["relock"]) == ("firing", "idle")
    assert len(car.unlock_frames) == 1


def is_result_in(effect: Effect) -> bool:
    return isinstance(effect, Persist) and any(isinstance(each, Result) for each in effect.append)


@pytest.mark.parametrize("news", NEWS)
def test_no_unlock_frame_leaves_in_the_step_that_took_the_right(car: Driver, news: News) -> None:
    about_to_fire(car)
    effects = effects_of(car, news)
    assert not any(isinstance(each, TransmitUnlock) for each in effects)
    assert len(car.unlock_frames) == 1
    result = car.results[-1]
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)
    assert result.common == car.challenge.common
    assert result.locks == dict.fromkeys(range(5), LockState.LOCKED)
    assert car.core.snapshot()["unlock"] == "idle"
    # What it was and what became of it change in one transaction, with the news.
    (told,) = [each for each in effects if is_result_in(each)]
    assert isinstance(told, Persist)
    assert told.puts[records.UNLOCK] is None
    assert {records.ACCOUNT, records.TRUST} & told.puts.keys()


def test_without_news_it_does_leave(car: Driver) -> None:
    about_to_fire(car)
    car.tell_account(version=8)
    assert len(car.unlock_frames) == 2


@pytest.mark.parametrize("news", NEWS)
def test_a_power_cut_before_the_news_are_durable_leaves_an_unknown_unlock(
    car: Driver, news: News
) -> None:
    about_to_fire(car)
    car.cut_at, car.effects_begun = 0, 0
    with pytest.raises(PowerCut):
        news(car)
    car.restart()
    result = car.results[-1]
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, Reason.RESTARTED)
    assert len(car.unlock_frames) == 1


@pytest.mark.parametrize("news", NEWS)
def test_news_that_a_disk_does_not_take_stop_it_as_well(car: Driver, news: News) -> None:
    about_to_fire(car)
    car.failures.append(Failure(lambda each: isinstance(each, Persist)))
    news(car)
    car.pass_time(2)
    assert car.core.snapshot()["is_durable"] is True
    assert len(car.unlock_frames) == 1
    result = car.results[-1]
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, Reason.GENERATION_CHANGED)


def test_what_was_on_the_bus_before_the_news_gets_its_true_result(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    assert len(car.unlock_frames) == 1
    new_owner(car)
    assert car.results == []
    car.pass_time(0.2)
    car.locks(False)
    assert car.results[-1].outcome is Outcome.EXECUTED


def test_a_frame_that_never_left_opens_no_lock(car: Driver) -> None:
    """So a lock that somebody opens right after it is his deed."""
    about_to_fire(car)
    new_pin(car)
    car.change({vss.DOOR_LOCKS[0]: False, vss.LOCKING_SOURCE: "remote-command"})
    (told,) = car.events(EventKind.SECURITY)
    assert told.reason is Reason.UNEXPECTED_UNLOCK


def about_to_lock(car: Driver) -> None:
    """Let the attempt of a re-lock be durable, and the timer that sends it come after what is queued."""
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(119.7)
    car.settles = False
    car.jump(0.5)
    car.refresh()
    assert car.core.snapshot()["relock"] == "locking"
    assert car.lock_frames == []


@pytest.mark.parametrize("news", NEWS)
def test_a_relock_outlives_whatever_changes(car: Driver, news: News) -> None:
    """It gives nobody anything: a car that stays open would."""
    about_to_lock(car)
    assert any(isinstance(each, TransmitLock) for each in effects_of(car, news))


# ---------------------------------------------------------------- positions


def about_to_seal(car: Driver) -> None:
    """Let a snapshot look for a place until the next step takes what there is."""
    snapshot(car)
    assert car.positions == []
    car.jump((car.core.next_deadline() or 0.0) - car.now)


@pytest.mark.parametrize("news", NEWS)
def test_no_position_leaves_in_the_step_that_took_the_right(car: Driver, news: News) -> None:
    about_to_seal(car)
    effects = effects_of(car, news)
    assert not any(isinstance(each, SealPosition) for each in effects)
    (result,) = car.results
    assert result.outcome is Outcome.CANCELLED
    (told,) = [each for each in effects if is_result_in(each)]
    assert isinstance(told, Persist)
    assert told.puts[records.POSITION] is None
    assert {records.ACCOUNT, records.TRUST} & told.puts.keys()


def test_a_position_that_was_taken_back_leaves_its_number(car: Driver) -> None:
    about_to_seal(car)
    new_pin(car)
    car.pass_time(1)
    assert car.core._parts.position.open_cases == frozenset()
    car.change(dict(HERE))
    snapshot(car)
    assert [each.seq for each in car.positions] == [1]


OTHER_DESK = signing.Party("theft desk 2", role=Role.THEFT_DESK)


def other_desk(car: Driver) -> None:
    keys = tuple(
        OTHER_DESK.key_record() if party is signing.THEFT_DESK else party.key_record()
        for party in signing.ROLE_KEYS
    )
    revoked = (signing.THEFT_DESK.kid,)
    car.receive("trust", signing.trust_container(version=2, keys=keys, revoked=revoked))


def no_desk(car: Driver) -> None:
    keys = tuple(
        party.key_record() for party in signing.ROLE_KEYS if party is not signing.THEFT_DESK
    )
    revoked = (signing.THEFT_DESK.kid,)
    car.receive("trust", signing.trust_container(version=2, keys=keys, revoked=revoked))


def tracked_until_the_next_fix_is_due(car: Driver) -> None:
    car.change(dict(HERE))
    track(car)
    assert [each.seq for each in car.positions] == [1]
    car.pass_time(59)
    car.jump((car.core.next_deadline() or 0.0) - car.now)


def test_tracking_goes_on_to_the_theft_desk_of_the_new_bundle_alone(car: Driver) -> None:
    tracked_until_the_next_fix_is_due(car)
    other_desk(car)
    first, second = car.positions
    assert second.seq == 2
    assert first.recipient == signing.THEFT_DESK.hpke.public_key().public_bytes_raw()
    assert second.recipient == OTHER_DESK.hpke.public_key().public_bytes_raw()


def test_without_a_theft_desk_nothing_is_sealed_to_the_one_that_is_gone(car: Driver) -> None:
    tracked_until_the_next_fix_is_due(car)
    no_desk(car)
    assert len(car.positions) == 1
    assert "no-recipient" in car.notes


# ---------------------------------------------------------------- what another effect held up


def test_a_snapshot_behind_an_effect_that_failed_is_sealed_all_the_same(car: Driver) -> None:
    """One frame of signals lets both go: the unlock that comes first does not leave, and takes nothing with it."""
    car.jump(5)
    car.allow(Service.UNLOCK)
    snapshot(car)
    car.failures.append(Failure(lambda each: isinstance(each, TransmitUnlock)))
    car.change({**car.signals, **HERE})
    assert car.unlock_frames == []
    assert len(car.positions) == 1
    unlock, position = car.results
    assert (unlock.outcome, unlock.reason) == (Outcome.FAILED, Reason.TRANSMIT_FAILED)
    assert (position.outcome, position.reason) == (Outcome.EXECUTED, Reason.NONE)
