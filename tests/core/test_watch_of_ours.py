"""What a command of ours may have opened is told to nobody; what it cannot have opened is."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.effects import TransmitUnlock
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.core.driver import Driver, Failure
from tests.core.test_watch import LOCK, opens, told
from tests.protocol.signing import ARMED


@pytest.fixture(autouse=True)
def locked_by_key(car: Driver) -> None:
    car.change({vss.LOCKING_SOURCE: "key"})
    car.pass_time(60)


def test_our_own_unlock_is_ours_though_its_effect_is_seen_late(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.locks(None)
    car.jump(3600)
    opens(car, "remote-command")
    assert told(car) == []


def test_an_old_unlock_of_ours_explains_nothing_that_came_later(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(31)
    car.locks(None)
    opens(car, "remote-command")
    assert len(told(car)) == 1


def is_opened_at_night(car: Driver, source: str, *, is_asleep: bool) -> None:
    if is_asleep:
        car.fall_asleep()
        car.pass_time(8 * 3600)
        car.signals |= {LOCK: False, vss.LOCKING_SOURCE: source}
        car.wake_up()
    else:
        car.locks(None)
        car.jump(8 * 3600)
        opens(car, source)


@pytest.mark.parametrize("source", ["none", "remote-command"])
@pytest.mark.parametrize("is_asleep", [True, False])
@pytest.mark.parametrize("locked_after_s", [12, 40])
def test_an_unlock_of_ours_explains_nothing_once_the_car_was_locked_again(
    car: Driver, locked_after_s: float, is_asleep: bool, source: str
) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.5)
    car.change({vss.USAGE_MODE: "inactive", vss.LOCKING_SOURCE: "remote-command"})
    car.locks(False)
    car.pass_time(locked_after_s)
    car.change({vss.USAGE_MODE: "abandoned", vss.LOCKING_SOURCE: "key"})
    car.locks(True)
    car.pass_time(10)
    assert told(car) == []
    is_opened_at_night(car, source, is_asleep=is_asleep)
    assert len(told(car)) == 1


@pytest.mark.parametrize("is_asleep", [True, False])
def test_an_unlock_of_ours_that_the_locks_did_not_follow_explains_nothing_at_night(
    car: Driver, is_asleep: bool
) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(12)
    assert car.results[-1].reason is Reason.DOORS_STILL_LOCKED
    is_opened_at_night(car, "remote-command", is_asleep=is_asleep)
    assert len(told(car)) == 1


def test_a_frame_that_never_left_explains_nothing(car: Driver) -> None:
    car.failures.append(Failure(lambda each: isinstance(each, TransmitUnlock)))
    car.allow(Service.UNLOCK)
    assert car.results[-1].reason is Reason.TRANSMIT_FAILED
    opens(car, "remote-command")
    assert len(told(car)) == 1


def test_a_frame_that_still_waits_for_fresh_signals_explains_nothing(car: Driver) -> None:
    car.change({vss.SPEED_KMH: None})
    car.allow(Service.UNLOCK)
    assert car.core.snapshot()["unlock"] == "firing"
    opens(car, "none")
    assert car.unlock_frames == []
    assert len(told(car)) == 1


@pytest.mark.parametrize(("later_s", "times"), [(0.5, 0), (29, 0), (31, 1)])
def test_a_frame_before_a_restart_explains_what_opens_soon_after_it(
    car: Driver, later_s: float, times: int
) -> None:
    car.allow(Service.UNLOCK)
    assert len(car.unlock_frames) == 1
    car.restart()
    car.pass_time(later_s)
    opens(car, "remote-command")
    assert car.results[-1].reason is Reason.RESTARTED
    assert len(told(car)) == times


def test_an_armed_unlock_before_a_restart_explains_nothing(car: Driver) -> None:
    car.allow(Service.UNLOCK, parameters=ARMED)
    car.restart()
    opens(car, "remote-command")
    assert len(told(car)) == 1
