"""What moved a lock may be said after it opened: it is waited for, and what was said before is not believed."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import BusWokeUp, Value
from tcu_agent.core.reports.openings import SETTLED_S, SOURCE_WITHIN_S
from tests.core.driver import Driver
from tests.core.test_watch import EVERYTHING_LOST, LOCK, opens, told


@pytest.fixture(autouse=True)
def locked_by_key(car: Driver) -> None:
    car.change({vss.LOCKING_SOURCE: "key"})
    car.pass_time(60)


def opens_alone(car: Driver, lock: str = LOCK) -> None:
    """Let a lock open, and nothing be said with it of what moved it."""
    car.change({lock: False})


@pytest.mark.parametrize(("source", "times"), [("none", 1), ("key", 0)])
def test_a_source_that_comes_after_the_locks_is_waited_for(
    car: Driver, source: str, times: int
) -> None:
    opens(car, None)
    opens(car, None, vss.DOOR_LOCKS[1])
    car.pass_time(SOURCE_WITHIN_S - 0.1)
    assert told(car) == []
    car.change({vss.LOCKING_SOURCE: source})
    assert len(told(car)) == times
    for event in told(car):
        assert event.values[vss.DOOR_LOCKS[1]] is False


def test_a_source_that_comes_much_later_is_that_of_something_else(car: Driver) -> None:
    opens(car, None)
    car.pass_time(SOURCE_WITHIN_S)
    car.change({vss.LOCKING_SOURCE: "remote-command"})
    assert told(car) == []


def test_also_if_the_agent_was_held_up_until_then(car: Driver) -> None:
    opens_alone(car)
    car.jump(3600)
    car.change({vss.LOCKING_SOURCE: "remote-command"})
    assert told(car) == []


@pytest.mark.parametrize(
    ("old", "new", "times"),
    [("key", "none", 1), ("key", "remote-command", 1), ("automatic", "key", 0), ("none", "key", 0)],
)
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.9])
def test_what_is_still_said_of_the_movement_before_is_not_believed(
    car: Driver, old: str, new: str, times: int, after_s: float
) -> None:
    """Not even if it is said once more: it stands in a message of its own."""
    car.change({vss.LOCKING_SOURCE: old})
    opens_alone(car)
    car.pass_time(after_s)
    assert told(car) == []
    car.change({vss.LOCKING_SOURCE: new})
    assert len(told(car)) == times
    car.pass_time(2 * SOURCE_WITHIN_S)
    assert len(told(car)) == times


def test_what_is_still_said_after_a_while_is_believed(car: Driver) -> None:
    car.change({vss.LOCKING_SOURCE: "none"})
    opens_alone(car)
    car.pass_time(SETTLED_S)
    assert told(car) == []
    car.pass_time(0.1)
    assert len(told(car)) == 1


@pytest.mark.parametrize("lost_after_s", [0.0, 0.5])
@pytest.mark.parametrize(("source", "times"), [("none", 1), ("key", 0), (None, 0)])
def test_what_is_lost_after_it_was_said_is_believed_at_last(
    car: Driver, source: Value, times: int, lost_after_s: float
) -> None:
    """So whoever cuts the wire behind him is told all the same."""
    car.change({vss.LOCKING_SOURCE: source})
    opens_alone(car)
    car.pass_time(lost_after_s)
    car.change(EVERYTHING_LOST)
    car.pass_time(SOURCE_WITHIN_S - lost_after_s - 0.1)
    assert told(car) == []
    car.pass_time(0.1)
    assert len(told(car)) == times
    assert car.core._parts.watch.deadline is None


def test_what_is_not_said_again_is_believed_at_last(car: Driver) -> None:
    """As of a message that is sent only if it changes."""
    car.change({vss.LOCKING_SOURCE: "automatic"})
    opens_alone(car)
    car.pass_time(SOURCE_WITHIN_S - 0.1, quiet=True)
    assert told(car) == []
    car.pass_time(0.1, quiet=True)
    assert len(told(car)) == 1


@pytest.mark.parametrize(("source", "times"), [("none", 1), ("key", 0)])
def test_a_lock_that_becomes_unknown_while_its_source_is_waited_for_stays_open(
    car: Driver, source: str, times: int
) -> None:
    opens(car, None)
    car.change({LOCK: None})
    car.change({LOCK: False})
    car.change({vss.LOCKING_SOURCE: source})
    assert len(told(car)) == times


def test_a_lock_that_was_locked_before_the_source_came_is_not_told(car: Driver) -> None:
    opens(car, None)
    car.change({LOCK: True})
    car.change({vss.LOCKING_SOURCE: "automatic"})
    assert told(car) == []


@pytest.mark.parametrize(("locked_by", "times"), [("none", 1), ("automatic", 0), ("key", 0)])
def test_a_lock_that_was_locked_again_was_opened_by_what_is_said_all_the_time(
    car: Driver, locked_by: str, times: int
) -> None:
    car.change({vss.LOCKING_SOURCE: "none"})
    opens_alone(car)
    car.change({LOCK: True, vss.LOCKING_SOURCE: locked_by})
    assert len(told(car)) == times
    car.pass_time(2 * SOURCE_WITHIN_S)
    assert len(told(car)) == times


def test_locks_that_opened_one_after_the_other_are_told_once_each(car: Driver) -> None:
    car.change({vss.LOCKING_SOURCE: "none"})
    for lock in vss.DOOR_LOCKS:
        opens_alone(car, lock)
        car.jump(0.01)
    car.pass_time(2 * SOURCE_WITHIN_S)
    opened = [path for event in told(car) for path in event.values if path in vss.DOOR_LOCKS]
    assert sorted(opened) == sorted(vss.DOOR_LOCKS)


# ---------------------------------------------------------------- after a silence


def falls_silent(car: Driver, *, is_asleep: bool) -> None:
    if is_asleep:
        car.fall_asleep()
        car.jump(3600)
        car.awake = True
        car.put(BusWokeUp("body", car.now))
    else:
        car.change(EVERYTHING_LOST)
        car.jump(3600)


@pytest.mark.parametrize("is_asleep", [True, False])
@pytest.mark.parametrize("is_lost_with_it", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "times"),
    [("key", "none", 1), ("automatic", "key", 0), ("key", "key", 0), ("none", "none", 1)],
)
def test_what_was_said_before_a_silence_and_is_said_first_after_it_is_not_believed_at_once(
    car: Driver, *, old: str, new: str, times: int, is_lost_with_it: bool, is_asleep: bool
) -> None:
    """A thief, or the owner, wakes a bus that sleeps: its first words may still be of the locking."""
    car.change({vss.LOCKING_SOURCE: old})
    falls_silent(car, is_asleep=is_asleep)
    if is_lost_with_it:
        opens(car, None)
    else:
        opens_alone(car)
    car.jump(0.05)
    car.change({vss.LOCKING_SOURCE: old})
    assert told(car) == []
    car.jump(0.2)
    car.change({vss.LOCKING_SOURCE: new})
    car.pass_time(2 * SOURCE_WITHIN_S)
    assert len(told(car)) == times


@pytest.mark.parametrize("is_asleep", [True, False])
@pytest.mark.parametrize(("said_again", "times"), [("none", 1), (None, 0)])
def test_what_was_said_before_a_silence_is_believed_at_last_only_if_it_is_said_after_it(
    car: Driver, *, said_again: Value, times: int, is_asleep: bool
) -> None:
    car.change({vss.LOCKING_SOURCE: "none"})
    falls_silent(car, is_asleep=is_asleep)
    opens_alone(car)
    car.change({vss.LOCKING_SOURCE: said_again})
    car.pass_time(SOURCE_WITHIN_S - 0.1, quiet=True)
    assert told(car) == []
    car.pass_time(0.1, quiet=True)
    assert len(told(car)) == times
