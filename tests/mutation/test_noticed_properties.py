"""What the machines say of themselves: differences in properties that no other test noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import SignalChange, SignalsChanged, SignalsRefreshed
from tcu_agent.core.position.least_wall import NEWS_S, LeastWall
from tcu_agent.protocol.vocabulary import CallState, EventKind, Outcome, Reason, Service
from tests.core.driver import Driver
from tests.core.parked import LISTEN_S, parked, sleeps, state, until
from tests.core.test_records import POSITION


def relock_at(car: Driver) -> float:
    """Return when it locks itself again."""
    due_at = car.core._parts.relock.deadline
    assert due_at is not None
    return due_at


def test_no_car_is_locked_again_while_an_unlock_still_looks_at_its_locks(unlocked: Driver) -> None:
    """It is open, as far as is known, and the second unlock waits to see that for itself."""
    due_at = relock_at(unlocked)
    unlocked.pass_time(due_at - 0.25 - unlocked.now)
    unlocked.allow(Service.UNLOCK)
    unlocked.pass_time(0.5, quiet=True)
    assert unlocked.now > due_at
    assert unlocked.core.snapshot()["unlock"] == "firing"
    assert unlocked.core.snapshot()["relock"] == "judging"
    unlocked.pass_time(2)
    assert unlocked.results[-1].outcome is Outcome.EXECUTED
    assert unlocked.results[-1].reason is Reason.ALREADY_UNLOCKED
    assert unlocked.lock_frames == []


def test_no_car_is_unlocked_in_the_step_that_locks_it_again(unlocked: Driver) -> None:
    unlocked.change({vss.DOOR_LOCKS[0]: True})
    unlocked.pass_time(relock_at(unlocked) - 0.25 - unlocked.now)
    grant = unlocked.grant_for(unlocked.ask(Service.UNLOCK))
    unlocked.jump(0.25)
    unlocked.receive("grant", grant)
    assert (len(unlocked.lock_frames), len(unlocked.unlock_frames)) == (1, 1)
    assert unlocked.core.snapshot()["unlock"] == "firing"
    unlocked.locks(True)
    unlocked.pass_time(1)
    assert len(unlocked.events(EventKind.RELOCKED)) == 1
    assert len(unlocked.unlock_frames) == 2


def test_a_call_is_on_from_its_press_until_its_end_is_shown_no_more(car: Driver) -> None:
    on_call = car.core._parts.on_call
    seen = [on_call.is_on]
    car.change({vss.ON_CALL_BUTTON: True})
    car.jump(0.2)
    car.settles = False
    car.put(SignalsRefreshed((vss.ON_CALL_BUTTON,), car.now))
    assert car.events(EventKind.ON_CALL_PRESSED) == [], "asked for, and without an id yet"
    seen.append(on_call.is_on)
    car.settles = True
    car.fire()
    car.change({vss.ON_CALL_BUTTON: False})
    seen.append(on_call.is_on)
    car.control(CallState.ENDED, 1)
    seen.append(on_call.is_on)
    car.pass_time(car.settings.call_shown_s)
    assert [*seen, on_call.is_on] == [False, True, True, True, False]


def test_a_press_whose_call_has_no_id_yet_is_not_slept_over() -> None:
    car = parked()
    until(car, LISTEN_S - 0.05)
    car.put(SignalsChanged((SignalChange(vss.ON_CALL_BUTTON, False, car.now),)))
    car.put(SignalsChanged((SignalChange(vss.ON_CALL_BUTTON, True, car.now),)))
    car.jump(0.2)
    car.put(SignalsRefreshed((vss.ON_CALL_BUTTON,), car.now))
    assert len(car.events(EventKind.ON_CALL_PRESSED)) == 1
    assert (state(car), sleeps(car)) == ("listening", [])


@pytest.mark.parametrize(
    ("offset_s", "stored_s", "is_news"),
    [
        (None, None, False),
        (100.0, None, True),
        (100.0, 100.0, False),
        (100.0, 100.0 + NEWS_S - 0.125, False),
        (100.0, 100.0 + NEWS_S, True),
    ],
)
def test_a_wall_clock_that_stood_lower_by_a_second_is_news(
    offset_s: float | None, stored_s: float | None, *, is_news: bool
) -> None:
    assert LeastWall(offset_s, stored_s).is_news is is_news


def test_how_low_the_wall_clock_stood_is_read_as_it_was_stored() -> None:
    now, wall = 700.0, 5000.0
    record = replace(POSITION, stop_at=1000.0, remaining_s=1000.0 - now, saved_wall=wall)
    assert record.least_wall == LeastWall(wall - now, wall - now)
    assert replace(record, saved_wall=None).least_wall == LeastWall(None, None)
