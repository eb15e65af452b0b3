"""An alarm that nobody with the key switches off is told after its delay; see `core.theft.alarm_states`."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Persist
from tcu_agent.core.events import Value
from tcu_agent.protocol.vocabulary import EventKind
from tests.core.driver import PARKED, Driver, Failure, settings
from tests.protocol import signing

DELAY_S = 30.0
BY_KEY: dict[str, Value] = {**dict.fromkeys(vss.DOOR_LOCKS, False), vss.LOCKING_SOURCE: "key"}
"""What DoorLockStatus shows when the key unlocks."""


@pytest.fixture(name="car")
def _car() -> Driver:
    return car_with()


def car_with(**changes: object) -> Driver:
    """Return a car that was locked with the key and left."""
    car = Driver(settings=settings(**changes), signals={**PARKED, vss.LOCKING_SOURCE: "key"})
    car.provision()
    return car


def told(car: Driver) -> list[float]:
    """Return when theft notifications were made durable."""
    return [
        at
        for at, effect in car.done
        if isinstance(effect, Persist)
        for message in effect.append
        if getattr(message, "kind", None) is EventKind.ALARM
    ]


def goes_off(car: Driver) -> float:
    car.change({vss.ALARM: "triggered"})
    return car.now


def test_an_alarm_is_told_after_its_delay_and_once(car: Driver) -> None:
    at = goes_off(car)
    car.pass_time(DELAY_S - 0.1)
    assert told(car) == []
    car.pass_time(100)
    assert told(car) == [at + DELAY_S]
    (event,) = car.events(EventKind.ALARM)
    assert event.values == {vss.ALARM: "triggered"}


def test_without_a_delay_it_is_told_at_once() -> None:
    car = car_with(theft_notice_after_s=0.0)
    assert told(car) == []
    at = goes_off(car)
    assert told(car) == [at]


@pytest.mark.parametrize("order", ["key first", "alarm first", "together"])
def test_the_key_within_the_delay_ends_it(car: Driver, order: str) -> None:
    goes_off(car)
    car.pass_time(DELAY_S - 1)
    if order == "key first":
        car.change(BY_KEY)
        car.change({vss.ALARM: "off"})
    elif order == "alarm first":
        car.change({vss.ALARM: "off"})
        car.change(BY_KEY)
    else:
        car.change({**BY_KEY, vss.ALARM: "off"})
    car.pass_time(100)
    assert told(car) == []
    assert "alarm-switched-off-by-key" in car.notes
    assert records.ALARM not in car.stored


@pytest.mark.parametrize("key", [BY_KEY, {vss.USAGE_MODE: "convenience"}])
@pytest.mark.parametrize("silence", ["off", "armed"])
def test_what_comes_with_the_alarm_is_no_answer_to_it(
    car: Driver, key: dict[str, Value], silence: str
) -> None:
    """A lock that is forced with a tool turns as with the key, and sets the alarm off: both in one frame."""
    car.change({**key, vss.ALARM: "triggered"})
    car.pass_time(1)
    car.change({vss.ALARM: silence})
    car.pass_time(100)
    assert len(told(car)) == 1


def test_the_key_right_behind_the_alarm_ends_it(car: Driver) -> None:
    goes_off(car)
    car.change({**BY_KEY, vss.ALARM: "off"})
    car.pass_time(100)
    assert told(car) == []


def test_a_mode_that_needs_the_key_shows_it_too(car: Driver) -> None:
    goes_off(car)
    car.change({vss.ALARM: "off", vss.USAGE_MODE: "convenience"})
    car.pass_time(100)
    assert told(car) == []


def test_the_key_after_the_delay_is_too_late(car: Driver) -> None:
    goes_off(car)
    car.pass_time(DELAY_S)
    car.change({**BY_KEY, vss.ALARM: "off"})
    assert len(told(car)) == 1


@pytest.mark.parametrize(
    "what",
    [
        pytest.param({vss.ALARM: "off"}, id="off, and the key was only what locked the car"),
        pytest.param({vss.ALARM: "armed"}, id="the siren's time is over"),
        pytest.param({vss.ALARM: None}, id="lost"),
        pytest.param(BY_KEY, id="the key, and the alarm goes on"),
        pytest.param(
            {**BY_KEY, vss.LOCKING_SOURCE: "remote-command", vss.ALARM: "off"}, id="not by key"
        ),
        pytest.param(
            {vss.ALARM: "off", vss.LOCKING_SOURCE: None, vss.DOOR_LOCKS[0]: None}, id="all unknown"
        ),
        pytest.param({vss.ALARM: "off", vss.USAGE_MODE: "inactive"}, id="no key needed for that"),
    ],
)
def test_nothing_else_ends_it(car: Driver, what: dict[str, Value]) -> None:
    goes_off(car)
    car.change(what)
    car.pass_time(100)
    assert len(told(car)) == 1


def test_a_key_that_was_used_before_the_alarm_does_not_count(car: Driver) -> None:
    car.change(BY_KEY)
    goes_off(car)
    car.change({vss.ALARM: "off"})
    car.pass_time(100)
    assert len(told(car)) == 1


def test_signals_that_are_heard_again_after_a_loss_show_no_key(car: Driver) -> None:
    goes_off(car)
    car.change({vss.DOOR_LOCKS[0]: None, vss.LOCKING_SOURCE: None, vss.ALARM: None})
    car.change({vss.DOOR_LOCKS[0]: False, vss.LOCKING_SOURCE: "key", vss.ALARM: "off"})
    car.pass_time(100)
    assert len(told(car)) == 1


def test_a_sleeping_bus_does_not_end_it(car: Driver) -> None:
    at = goes_off(car)
    car.fall_asleep()
    car.pass_time(100)
    assert told(car) == [at + DELAY_S]


def test_a_car_that_does_not_say_what_moved_its_locks_is_believed() -> None:
    car = car_with(has_locking_source=False)
    goes_off(car)
    car.change({vss.ALARM: "off"})
    car.pass_time(100)
    assert told(car) == []


def test_each_alarm_is_told(car: Driver) -> None:
    goes_off(car)
    car.pass_time(DELAY_S)
    car.change({vss.ALARM: None})
    goes_off(car)
    car.pass_time(DELAY_S)
    assert len(told(car)) == 1
    car.change({vss.ALARM: "armed"})
    goes_off(car)
    car.pass_time(DELAY_S)
    assert len(told(car)) == 2


def test_the_key_that_ended_one_alarm_does_not_end_the_next(car: Driver) -> None:
    goes_off(car)
    car.change({**BY_KEY, vss.ALARM: "off"})
    car.change({**dict.fromkeys(vss.DOOR_LOCKS, True), vss.ALARM: "armed"})
    goes_off(car)
    car.change({vss.ALARM: "off"})
    car.pass_time(100)
    assert len(told(car)) == 1


def test_without_a_subscription_nothing_is_told() -> None:
    car = Driver()
    car.receive("trust", signing.trust_container())
    goes_off(car)
    car.pass_time(100)
    assert told(car) == []
    assert records.ALARM not in car.stored


def test_a_subscription_that_ends_meanwhile_ends_it(car: Driver) -> None:
    goes_off(car)
    car.core._parts.knowledge.account = None
    car.pass_time(100)
    assert told(car) == []


@pytest.mark.parametrize("off_s", [5.0, 60.0])
def test_a_restart_does_not_lose_it(car: Driver, off_s: float) -> None:
    at = goes_off(car)
    car.pass_time(10)
    car.restart(off_s=off_s)
    car.pass_time(100)
    assert told(car) == [max(at + DELAY_S, at + 10 + off_s)]


def test_where_no_clock_proves_the_time_it_is_told_at_once(car: Driver) -> None:
    at = goes_off(car)
    car.pass_time(10)
    car.restart(new_session=True)
    assert told(car) == [at + 11]
    assert car.core.snapshot()["alarm"] == "told"


def test_what_was_told_is_not_told_again_after_a_restart(car: Driver) -> None:
    goes_off(car)
    car.pass_time(DELAY_S)
    car.restart(new_session=True)
    car.pass_time(100)
    assert len(told(car)) == 1


def test_the_key_still_ends_it_after_a_restart(car: Driver) -> None:
    goes_off(car)
    car.restart()
    car.change({**BY_KEY, vss.ALARM: "off"})
    car.pass_time(100)
    assert told(car) == []


def test_a_full_disk_delays_the_record_and_not_the_notification(car: Driver) -> None:
    car.failures.append(Failure(lambda each: isinstance(each, Persist), times=3))
    at = goes_off(car)
    car.pass_time(100)
    assert told(car) == [at + DELAY_S]


def test_a_corrupt_record_stops_no_remote_service(car: Driver) -> None:
    car.stored[records.ALARM] = b"\x80"
    car.stored[records.TOW] = b"\x80"
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is False
    assert car.core.snapshot()["alarm"] == "quiet"
