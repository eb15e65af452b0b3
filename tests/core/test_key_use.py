"""The key is noticed though a lock was unknown while its motor ran; what is old or was not seen shows nobody.

The same table for an alarm that the key switches off and for a car that is watched for being towed.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import Value
from tcu_agent.core.reports.openings import SETTLED_S, SOURCE_WITHIN_S
from tcu_agent.core.theft.key_use import UNKNOWN_AT_MOST_S
from tests.core.driver import FRESH_EVERY_S, PARKED, Driver, settings
from tests.core.test_theft_notice import DELAY_S, told
from tests.core.test_tow import HERE, moved, towed

LOCK = vss.DOOR_LOCKS[0]
UNKNOWN: dict[str, Value] = dict.fromkeys(vss.DOOR_LOCKS)
OPEN: dict[str, Value] = dict.fromkeys(vss.DOOR_LOCKS, False)
Story = Callable[[Driver, float], None]


def the_motors_are_cold(car: Driver, unknown_s: float) -> None:
    car.change(UNKNOWN)
    car.pass_time(unknown_s)
    car.change(OPEN)


def unknown_twice(car: Driver, unknown_s: float) -> None:
    car.change(UNKNOWN)
    car.change({LOCK: None})
    car.pass_time(unknown_s)
    car.change(OPEN)


def one_lock_lags(car: Driver, unknown_s: float) -> None:
    car.change({LOCK: None})
    car.pass_time(unknown_s)
    car.change({LOCK: False})


def it_is_where_it_was(car: Driver, unknown_s: float) -> None:
    car.change(UNKNOWN)
    car.pass_time(unknown_s)
    car.change(dict.fromkeys(vss.DOOR_LOCKS, True))


def it_stays_unknown(car: Driver, unknown_s: float) -> None:
    car.change(UNKNOWN)
    car.pass_time(unknown_s)


def the_bus_was_lost(car: Driver, unknown_s: float) -> None:
    car.change({**UNKNOWN, vss.LOCKING_SOURCE: None})
    car.pass_time(unknown_s)
    car.change({**OPEN, vss.LOCKING_SOURCE: "key"})


def the_source_comes_back_first(car: Driver, unknown_s: float) -> None:
    car.change({**UNKNOWN, vss.LOCKING_SOURCE: None})
    car.pass_time(0.1)
    car.change({vss.LOCKING_SOURCE: "key"})
    car.pass_time(unknown_s)
    car.change(OPEN)


def nobody_moves_it(car: Driver, unknown_s: float) -> None:
    car.change({**UNKNOWN, vss.LOCKING_SOURCE: "none"})
    car.pass_time(unknown_s)
    car.change(OPEN)


STORIES = [
    pytest.param(the_motors_are_cold, 2.0, True, id="cold motors"),
    pytest.param(unknown_twice, 2.0, True, id="said to be unknown twice"),
    pytest.param(one_lock_lags, 2.0, True, id="one lock alone"),
    pytest.param(the_motors_are_cold, UNKNOWN_AT_MOST_S - 0.1, True, id="just not too long"),
    pytest.param(the_motors_are_cold, UNKNOWN_AT_MOST_S + 0.1, False, id="too long"),
    pytest.param(it_is_where_it_was, 2.0, False, id="has not moved"),
    pytest.param(it_stays_unknown, 2.0, False, id="stays unknown"),
    pytest.param(the_bus_was_lost, 2.0, False, id="the bus was lost"),
    pytest.param(the_source_comes_back_first, 2.0, False, id="the source comes back first"),
    pytest.param(nobody_moves_it, 2.0, False, id="not by key"),
]


@pytest.fixture(name="car")
def _car() -> Driver:
    """Return a car that was locked with the key and left."""
    car = Driver(settings=settings(), signals={**PARKED, vss.LOCKING_SOURCE: "key"})
    car.provision()
    return car


@pytest.mark.parametrize(("story", "unknown_s", "is_key"), STORIES)
@pytest.mark.parametrize("order", ["alarm off first", "alarm off last"])
def test_an_alarm_is_ended_by_a_key_that_is_seen(
    car: Driver, *, order: str, story: Story, unknown_s: float, is_key: bool
) -> None:
    car.change({vss.ALARM: "triggered"})
    car.pass_time(3)
    if order == "alarm off first":
        car.change({vss.ALARM: "off"})
    story(car, unknown_s)
    car.change({vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert (told(car) == []) is is_key


@pytest.mark.parametrize(("story", "unknown_s", "is_key"), STORIES)
def test_a_car_that_is_towed_is_its_users_again_with_a_key_that_is_seen(
    car: Driver, *, story: Story, unknown_s: float, is_key: bool
) -> None:
    towed(car)
    car.pass_time(1)
    story(car, unknown_s)
    car.pass_time(SETTLED_S + FRESH_EVERY_S)
    assert (car.core.snapshot()["tow"] == "towed") is not is_key


@pytest.mark.parametrize(
    ("before_s", "after_s", "is_answer"),
    [(FRESH_EVERY_S, 0.0, False), (0.0, 0.0, False), (FRESH_EVERY_S, FRESH_EVERY_S, True)],
    ids=["seen before it alone", "seen in its frame", "seen after it"],
)
def test_a_movement_that_set_off_the_alarm_is_no_answer_to_it(
    car: Driver, *, before_s: float, after_s: float, is_answer: bool
) -> None:
    """A lock that is forced with a tool turns as with the key: its status may be unknown until after the alarm."""
    car.pass_time(FRESH_EVERY_S)
    car.jump(before_s)
    car.change({vss.ALARM: "triggered"})
    car.pass_time(after_s)
    the_motors_are_cold(car, 2.0)
    car.change({vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert (told(car) == []) is is_answer


def test_an_alarm_that_went_off_again_is_not_answered_by_what_was_seen_before(car: Driver) -> None:
    car.change({vss.ALARM: "triggered"})
    car.pass_time(1)
    car.change(UNKNOWN)
    car.pass_time(1)
    car.change({vss.ALARM: "off"})
    car.change({vss.ALARM: "triggered"})
    car.change(OPEN)
    car.change({vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert len(told(car)) == 1


def test_a_lock_that_was_unknown_before_the_sleep_shows_nobody_after_it(car: Driver) -> None:
    towed(car)
    car.change(UNKNOWN)
    car.fall_asleep()
    car.wake_up()
    car.change(OPEN)
    assert car.core.snapshot()["tow"] == "towed"


def test_after_a_restart_the_first_thing_seen_of_a_lock_shows_nobody(car: Driver) -> None:
    car.change({vss.ALARM: "triggered"})
    car.signals.update(UNKNOWN)
    car.restart()
    car.change({**OPEN, vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert len(told(car)) == 1


# ---------------------------------------------------------------- what moved the locks, in a message of its own


def is_towed_of(car: Driver) -> bool:
    """Take the car away, and return whether that is noticed: not if somebody with the key was there."""
    car.change(moved(1000))
    return bool(car.core.snapshot()["tow"] == "towed")


@pytest.mark.parametrize("said_after_s", [0.0, 0.1, SETTLED_S - 0.1])
@pytest.mark.parametrize("said", ["none", "inside-button", None])
def test_a_lock_that_is_forced_is_not_moved_by_the_key_that_locked_it(
    car: Driver, said: Value, said_after_s: float
) -> None:
    car.change(HERE)
    car.change({vss.ALARM: "triggered"})
    car.pass_time(3)
    car.change({LOCK: False})
    car.pass_time(said_after_s)
    car.change({vss.LOCKING_SOURCE: said})
    car.change({vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert len(told(car)) == 1
    assert is_towed_of(car)


@pytest.mark.parametrize("quiet", [True, False])
def test_a_key_that_is_said_again_or_by_nothing_else_is_believed(
    car: Driver, *, quiet: bool
) -> None:
    """The owner's, who opens what he locked: the word is the same, and may be sent only if it changes."""
    car.change(HERE)
    car.change({vss.ALARM: "triggered"})
    car.pass_time(3)
    car.change({LOCK: False})
    car.change({vss.ALARM: "off"})
    car.pass_time(SOURCE_WITHIN_S if quiet else SETTLED_S, quiet=quiet)
    car.pass_time(DELAY_S)
    assert told(car) == []
    assert not is_towed_of(car)


def test_a_key_that_is_news_is_believed_at_once(car: Driver) -> None:
    car.change({vss.LOCKING_SOURCE: "automatic"})
    towed(car)
    car.change({LOCK: False})
    assert car.core.snapshot()["tow"] == "towed"
    car.change({vss.LOCKING_SOURCE: "key"})
    assert car.core.snapshot()["tow"] == "in use"


def test_a_lock_that_moved_before_the_alarm_and_is_clear_after_it_is_no_answer_to_it(
    car: Driver,
) -> None:
    car.change({LOCK: False})
    car.jump(0.5)
    car.change({vss.ALARM: "triggered"})
    car.pass_time(3)
    car.change({vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert len(told(car)) == 1


def test_a_lock_that_moved_at_the_end_of_one_alarm_is_no_answer_to_the_next(car: Driver) -> None:
    car.change({vss.ALARM: "triggered"})
    car.pass_time(DELAY_S - 0.1)
    car.change({LOCK: False})
    car.pass_time(0.1)
    car.change({vss.ALARM: "off"})
    car.pass_time(SOURCE_WITHIN_S)
    car.change({vss.ALARM: "triggered"})
    car.change({vss.ALARM: "off"})
    car.pass_time(DELAY_S)
    assert len(told(car)) == 2


def test_a_key_that_nothing_contradicts_is_believed_at_the_very_end_of_the_time(
    car: Driver,
) -> None:
    towed(car)
    car.change({LOCK: False})
    car.jump(SOURCE_WITHIN_S)
    car.fire()
    assert car.core.snapshot()["tow"] == "in use"


@pytest.mark.parametrize("said", ["none", None])
def test_a_word_that_was_contradicted_or_lost_shows_no_key_when_it_comes_back(
    car: Driver, said: Value
) -> None:
    car.change({vss.LOCKING_SOURCE: None})
    car.change({vss.LOCKING_SOURCE: "key"})
    towed(car)
    car.change({LOCK: False})
    car.change({vss.LOCKING_SOURCE: said})
    car.change({vss.LOCKING_SOURCE: None})
    car.change({vss.LOCKING_SOURCE: "key"})
    car.pass_time(2 * SOURCE_WITHIN_S)
    assert car.core.snapshot()["tow"] == "towed"


def test_a_key_that_was_seen_is_seen_once_and_the_car_is_watched_again(car: Driver) -> None:
    towed(car)
    car.change({LOCK: False})
    car.pass_time(60)
    car.change({LOCK: True})
    car.pass_time(60)
    car.change(HERE)
    assert is_towed_of(car)
