"""Unlock and position machines: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import TransmitUnlock, WakeBus
from tcu_agent.core.unlock.outcomes import Outcomes
from tcu_agent.core.unlock.relock_record import RelockRecord
from tcu_agent.core.unlock.states import State
from tcu_agent.core.verify.authorisation import UnlockAuthorisation
from tcu_agent.errors import StorageError
from tcu_agent.protocol.messages import Event, UnlockParameters
from tcu_agent.protocol.vocabulary import EventKind, Reason, Service
from tests.core.driver import Driver
from tests.protocol.signing import ARMED, DIRECT, id16


@pytest.mark.parametrize(
    ("locked_s", "opened_s", "is_ours"),
    [
        (25.0, 30.0, True),
        (25.0, 30.001, False),
        (3.0, 86_400.0, True),
        (3.001, 86_400.0, False),
    ],
)
def test_a_frame_explains_what_opens_soon_or_was_not_seen_locked_after_it(
    car: Driver, locked_s: float, opened_s: float, is_ours: bool
) -> None:
    unlock = car.core._parts.unlock
    assert not unlock.is_ours(locked_at=car.now, opened_at=car.now)
    car.allow(Service.UNLOCK)
    (sent_at,) = [at for at, effect in car.done if isinstance(effect, TransmitUnlock)]
    late = car.now + 1000
    assert unlock.is_ours(locked_at=late, opened_at=late), "still waiting for the locks"
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(1)
    assert unlock.is_acting is False
    assert unlock.is_ours(locked_at=sent_at + locked_s, opened_at=sent_at + opened_s) is is_ours


def test_a_relock_that_worked_is_told_without_a_reason(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(car.settings.relock_after_s + 1)
    car.locks(True)
    car.pass_time(1)
    (event,) = car.events(EventKind.RELOCKED)
    assert event.reason is Reason.NONE
    assert event.values == {vss.RELOCKED_BY: "agent"}


def test_a_relock_that_waits_for_signals_is_not_noted_as_attempted(unlocked: Driver) -> None:
    unlocked.fall_asleep()
    unlocked.pass_time(unlocked.settings.relock_after_s + 1)
    assert len(unlocked.wakes) == 1
    assert RelockRecord.from_bytes(unlocked.stored[records.RELOCK]).is_attempted is False


def test_what_became_of_a_relock_is_told_with_its_incident_and_nothing_else(
    unlocked: Driver,
) -> None:
    unlocked.change({vss.DOORS_OPEN[0]: True})
    (event,) = unlocked.events(EventKind.RELOCK_CANCELLED)
    assert event.incident_id == id16("incident or case")
    assert event.values == {}
    assert unlocked.core._parts.relock._record is None


def test_a_car_that_locked_itself_is_told_without_a_reason(unlocked: Driver) -> None:
    unlocked.pass_time(5)
    unlocked.locks(True)
    unlocked.pass_time(1)
    (event,) = unlocked.events(EventKind.RELOCKED)
    assert (event.reason, event.values) == (Reason.NONE, {vss.RELOCKED_BY: "vehicle"})
    assert event.incident_id == id16("incident or case")


def test_an_armed_unlock_is_told_with_its_incident(car: Driver) -> None:
    car.allow(Service.UNLOCK, parameters=ARMED)
    car.pass_time(400)
    told = [each for each in car.appended() if isinstance(each, Event) and each.request_id]
    assert {each.incident_id for each in told} == {id16("incident or case")}


def test_a_car_that_wakes_locked_is_told_without_a_reason(unlocked: Driver) -> None:
    unlocked.fall_asleep()
    unlocked.pass_time(unlocked.settings.relock_after_s + 1)
    unlocked.signals.update(dict.fromkeys(vss.DOOR_LOCKS, True))
    unlocked.wake_up()
    (event,) = unlocked.events(EventKind.RELOCKED)
    assert (event.reason, event.values) == (Reason.NONE, {vss.RELOCKED_BY: "vehicle"})


def test_a_car_that_wakes_driving_says_so(unlocked: Driver) -> None:
    unlocked.fall_asleep()
    unlocked.pass_time(unlocked.settings.relock_after_s + 1)
    unlocked.signals[vss.USAGE_MODE] = "driving"
    unlocked.wake_up()
    (event,) = unlocked.events(EventKind.RELOCK_CANCELLED)
    assert event.reason is Reason.DRIVEN


def test_a_relock_waits_a_second_for_an_unlock_that_is_under_way(
    unlocked: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    relock = unlocked.core._parts.relock
    monkeypatch.setattr(relock, "_is_unlocking", lambda: True)
    unlocked.settles = False
    unlocked.jump(unlocked.settings.relock_after_s)
    unlocked.fire()
    assert relock.deadline == unlocked.now + 1.0


def test_what_wakes_the_buses_says_for_what(unlocked: Driver) -> None:
    unlocked.fall_asleep()
    unlocked.pass_time(unlocked.settings.relock_after_s + 1)
    assert [each.reason for each in unlocked.seen(WakeBus)] == ["relock"]
    unlocked.wake_up()
    assert RelockRecord.from_bytes(unlocked.stored[records.RELOCK]).is_attempted
    unlocked.restart()
    assert [each.reason for each in unlocked.seen(WakeBus)] == ["relock", "relock"]


def test_an_unlock_of_a_sleeping_car_wakes_the_buses_for_itself(car: Driver) -> None:
    car.fall_asleep()
    car.allow(Service.UNLOCK)
    assert [each.reason for each in car.seen(WakeBus)] == ["unlock"]


@pytest.mark.parametrize("parameters", [DIRECT, ARMED])
def test_what_goes_to_the_actuator_is_the_verifiers_permission_for_this_request(
    car: Driver, parameters: UnlockParameters
) -> None:
    request = car.ask(Service.UNLOCK, parameters=parameters)
    car.receive("grant", car.grant_for(request))
    car.change({vss.PLATE: True})
    (effect,) = car.seen(TransmitUnlock)
    assert isinstance(effect.authorisation, UnlockAuthorisation)
    assert effect.authorisation.common.request_id == request.request_id


def test_an_armed_unlock_asks_to_be_looked_at_when_its_window_ends(car: Driver) -> None:
    car.settles = False
    car.allow(Service.UNLOCK, parameters=ARMED)
    assert ARMED.window_s is not None
    assert car.core._parts.unlock.deadline == car.now + ARMED.window_s
    (told,) = car.events(EventKind.UNLOCK_ARMED)
    assert told.reason is Reason.NONE


def test_after_a_restart_in_the_middle_the_next_unlock_is_not_refused_as_a_second_one(
    car: Driver,
) -> None:
    car.allow(Service.UNLOCK)
    car.restart()
    assert car.core._parts.unlock.machine.state is State.IDLE
    car.pass_time(5)
    car.allow(Service.UNLOCK)
    assert len(car.seen(TransmitUnlock)) == 2


def test_a_car_that_was_not_unlocked_has_no_relock_pending(car: Driver) -> None:
    assert car.core._parts.relock.is_pending is False


def test_a_damaged_outcome_is_named(car: Driver) -> None:
    outcomes = Outcomes(journal=car.core._parts.journal, kept=1)
    with pytest.raises(StorageError, match=r"^outcome/ab: "):
        outcomes.restore({"outcome/ab": b"damaged"})
