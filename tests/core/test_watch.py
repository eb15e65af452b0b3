"""An unlock by nobody is told whatever was unknown before it, and what a person or the agent did is not."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import SecurityObserved, Value
from tcu_agent.core.reports.reports import BURST, PER_MINUTE
from tcu_agent.core.theft.key_use import UNKNOWN_AT_MOST_S
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Reason, Service
from tests.core.driver import PARKED, Driver
from tests.core.test_account import account_with_evidence

LOCK = vss.DOOR_LOCKS[0]
EVERYTHING_LOST: dict[str, Value] = {**dict.fromkeys(PARKED), vss.LOCKING_SOURCE: None}


def told(car: Driver) -> list[Event]:
    return [e for e in car.events(EventKind.SECURITY) if e.reason is Reason.UNEXPECTED_UNLOCK]


def opens(car: Driver, source: Value, lock: str = LOCK) -> None:
    car.change({lock: False, vss.LOCKING_SOURCE: source})


@pytest.fixture(autouse=True)
def locked_by_key(car: Driver) -> None:
    car.change({vss.LOCKING_SOURCE: "key"})
    car.pass_time(60)


@pytest.mark.parametrize("unknown_s", [0.0, 2.9, 86_400.0])
def test_an_unlock_is_told_though_the_lock_was_unknown_before(
    car: Driver, unknown_s: float
) -> None:
    car.change({LOCK: None})
    car.jump(unknown_s)
    car.change({LOCK: None})
    opens(car, "none")
    (event,) = told(car)
    assert event.values == {LOCK: False, vss.LOCKING_SOURCE: "none"}
    opens(car, "none")
    assert len(told(car)) == 1, "once"


def test_an_unlock_is_told_though_motors_that_start_end_the_mode_of_a_left_car(car: Driver) -> None:
    car.jump(0.1)
    car.change({vss.USAGE_MODE: "inactive"})
    car.jump(0.3)
    opens(car, "none")
    assert len(told(car)) == 1


def test_an_unlock_is_told_though_the_lock_was_still_seen_when_the_mode_was_lost(
    car: Driver,
) -> None:
    car.change({vss.USAGE_MODE: None})
    car.pass_time(5)
    car.jump(0.1)
    car.change({vss.USAGE_MODE: "inactive"})
    opens(car, "none")
    assert len(told(car)) == 1


def test_a_lock_that_is_locked_again_after_it_was_unknown_has_not_been_opened(car: Driver) -> None:
    car.change({LOCK: None})
    car.change({LOCK: True, vss.LOCKING_SOURCE: "none"})
    assert told(car) == []
    opens(car, "none")
    assert len(told(car)) == 1


def test_a_car_that_was_in_use_when_it_was_seen_locked_last_may_be_unlocked(car: Driver) -> None:
    car.change({vss.USAGE_MODE: "inactive"})
    car.pass_time(1)
    car.change({LOCK: None})
    opens(car, "none")
    assert told(car) == []


def test_a_car_that_is_left_again_is_watched_again(car: Driver) -> None:
    car.change({vss.USAGE_MODE: "driving"})
    car.pass_time(1)
    car.change({vss.USAGE_MODE: "abandoned"})
    opens(car, "automatic")
    assert len(told(car)) == 1


def test_what_an_agent_that_starts_meets_unlocked_was_opened_by_it_knows_not_whom(
    car: Driver,
) -> None:
    car.signals |= {LOCK: False, vss.LOCKING_SOURCE: "none"}
    car.restart()
    assert told(car) == []
    car.change({LOCK: None})
    opens(car, "none")
    assert told(car) == []


def test_a_car_whose_mode_was_never_known_is_not_known_to_be_left(car: Driver) -> None:
    car.signals[vss.USAGE_MODE] = None
    car.restart()
    car.pass_time(1)
    opens(car, "none")
    assert told(car) == []


# ---------------------------------------------------------------- while the link was down


@pytest.mark.parametrize(
    ("source", "times"),
    [("none", 1), ("remote-command", 1), ("key", 0), ("inside-button", 0), ("automatic", 0)],
)
@pytest.mark.parametrize("mode", ["abandoned", "inactive", "driving"])
def test_after_a_lost_link_the_last_source_tells_who_it_was(
    car: Driver, source: str, times: int, mode: str
) -> None:
    """Also the automatic of a car that was in use meanwhile; what the mode is by now shows nothing."""
    car.change(EVERYTHING_LOST)
    car.jump(3600)
    opens(car, source)
    car.change({vss.USAGE_MODE: mode})
    car.change({vss.LOCKING_SOURCE: source})
    assert len(told(car)) == times


def test_a_mode_that_is_lost_alone_does_not_hide_an_unlock(car: Driver) -> None:
    car.change({vss.USAGE_MODE: None})
    car.pass_time(5)
    opens(car, "none")
    assert len(told(car)) == 1


def test_a_mode_that_was_lost_and_is_left_again_leaves_no_doubt(car: Driver) -> None:
    car.change({vss.USAGE_MODE: None})
    car.change({vss.USAGE_MODE: "abandoned"})
    opens(car, "automatic")
    assert len(told(car)) == 1


def test_a_mode_that_was_lost_and_then_known_in_use_stays_in_doubt(car: Driver) -> None:
    car.change({LOCK: None, vss.USAGE_MODE: None})
    car.pass_time(5)
    car.change({vss.USAGE_MODE: "inactive"})
    car.change({vss.USAGE_MODE: "convenience"})
    opens(car, "automatic")
    assert told(car) == []


def test_a_lock_that_was_unknown_before_a_sleep_is_told_too(car: Driver) -> None:
    car.change({LOCK: None})
    car.fall_asleep()
    car.pass_time(3600)
    car.signals |= {LOCK: False, vss.LOCKING_SOURCE: "none"}
    car.wake_up()
    assert len(told(car)) == 1


def test_a_sleep_is_no_loss(car: Driver) -> None:
    car.fall_asleep()
    car.pass_time(86_400)
    car.signals |= {LOCK: False, vss.USAGE_MODE: "inactive", vss.LOCKING_SOURCE: "automatic"}
    car.wake_up()
    assert len(told(car)) == 1


# ---------------------------------------------------------------- used while the locks were unknown


def comes_back_open(car: Driver, mode: str, source: str = "automatic") -> None:
    """Let the locks be lost while somebody is in the car for half an hour."""
    car.locks(None)
    car.pass_time(20)
    car.change({vss.USAGE_MODE: mode})
    car.pass_time(1800)
    car.change({vss.USAGE_MODE: "inactive"})
    opens(car, source)


@pytest.mark.parametrize("mode", ["convenience", "active", "driving"])
@pytest.mark.parametrize(("source", "times"), [("automatic", 0), ("none", 1), ("key", 0)])
def test_a_car_that_was_used_meanwhile_may_unlock_by_itself(
    car: Driver, mode: str, source: str, times: int
) -> None:
    comes_back_open(car, mode, source)
    assert len(told(car)) == times


def test_who_only_sits_in_a_car_that_opened_by_itself_has_not_used_it(car: Driver) -> None:
    comes_back_open(car, "inactive")
    assert len(told(car)) == 1


def test_a_use_before_the_lock_was_seen_locked_explains_nothing(car: Driver) -> None:
    car.change({vss.USAGE_MODE: "driving"})
    car.pass_time(1800)
    car.change({vss.USAGE_MODE: "abandoned"})
    car.pass_time(1)
    car.locks(None)
    car.pass_time(60)
    opens(car, "automatic")
    assert len(told(car)) == 1


def test_a_use_before_the_car_was_left_again_explains_nothing(car: Driver) -> None:
    car.locks(None)
    car.pass_time(1)
    car.change({vss.USAGE_MODE: "driving"})
    car.pass_time(1800)
    car.change({vss.USAGE_MODE: "abandoned"})
    opens(car, "automatic")
    assert len(told(car)) == 1


@pytest.mark.parametrize(("used_s", "times"), [(UNKNOWN_AT_MOST_S, 0), (9.9, 1)])
def test_a_mode_of_use_that_the_motors_may_have_begun_is_none(
    car: Driver, used_s: float, times: int
) -> None:
    car.locks(None)
    car.jump(1)
    car.change({vss.USAGE_MODE: "convenience"})
    car.jump(used_s)
    opens(car, "automatic")
    assert len(told(car)) == times


# ---------------------------------------------------------------- a lock that flickers

OTHER_LOCK = vss.DOOR_LOCKS[1]
A_TOKEN_S = 60 / PER_MINUTE


def flickers(car: Driver, times: int, lock: str = LOCK) -> None:
    for _ in range(times):
        car.jump(0.1)
        opens(car, "none", lock)
        car.change({lock: True})


def test_a_lock_that_flickers_cannot_fill_the_disk_and_is_counted(car: Driver) -> None:
    flickers(car, 100)
    assert len(told(car)) == BURST
    assert car.notes.count("event-dropped") == 100 - BURST - 1
    car.pass_time(A_TOKEN_S, quiet=True)
    last = told(car)[-1]
    assert last.values == {
        LOCK: False,
        vss.LOCKING_SOURCE: "none",
        vss.OBSERVED_COUNT: 100 - BURST,
    }
    assert car.core._parts.watch.deadline is None
    car.pass_time(3600, quiet=True)
    assert len(told(car)) == BURST + 1
    opens(car, "none")
    assert vss.OBSERVED_COUNT not in told(car)[-1].values, "it is counted from the last one on"


def test_another_lock_that_opens_meanwhile_is_told_too(car: Driver) -> None:
    flickers(car, 50)
    opens(car, "automatic", OTHER_LOCK)
    assert not [event for event in told(car) if OTHER_LOCK in event.values]
    assert car.core.next_deadline() is not None
    car.pass_time(2 * A_TOKEN_S, quiet=True)
    (event,) = (event for event in told(car) if OTHER_LOCK in event.values)
    assert event.values == {OTHER_LOCK: False, vss.LOCKING_SOURCE: "automatic"}


def test_a_lock_that_flickers_hides_no_attack_and_an_attack_hides_no_unlock(car: Driver) -> None:
    flickers(car, 50)
    car.put(SecurityObserved("body", "e2e-failed", "M", 1))
    assert car.events(EventKind.SECURITY)[-1].reason is Reason.E2E_FAILED
    for count in range(2 * BURST):
        car.put(SecurityObserved("body", "e2e-failed", "M", count))
    car.pass_time(3600, quiet=True)
    before = len(told(car))
    for count in range(2 * BURST):
        car.put(SecurityObserved("body", "e2e-failed", "M", count))
    opens(car, "none")
    assert len(told(car)) == before + 1


def test_what_waits_when_the_subscription_ends_is_told_no_more(car: Driver) -> None:
    flickers(car, BURST + 5)
    car.ask(Service.END_SUBSCRIPTION)
    car.receive("account", account_with_evidence(car, subscription_active=False))
    assert not car.core._parts.knowledge.is_subscribed
    before = len(told(car))
    car.pass_time(3600, quiet=True)
    assert len(told(car)) == before
    assert car.core._parts.watch.deadline is None
