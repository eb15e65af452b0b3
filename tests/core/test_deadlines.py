"""A hanging disk between decision and deed: what comes too late is not done, and is told (G3)."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Persist, SealPosition
from tcu_agent.core.events import BusWokeUp, Value
from tcu_agent.protocol.messages import PositionParameters
from tcu_agent.protocol.vocabulary import EventKind, Outcome, PositionKind, Reason, Service
from tests.core.driver import FRESH_EVERY_S, Driver
from tests.protocol import signing

FRESH_S = 2.0
"""`CoreSettings.fresh_s` as it is by default: so long is what was seen believed."""


def verdict(car: Driver) -> tuple[Outcome, Reason]:
    (result,) = car.results
    return result.outcome, result.reason


def wake_up_with_news(car: Driver) -> None:
    """Wake a sleeping car; the step that judges its signals has something to write as well: a door was opened."""
    car.awake = True
    car.put(BusWokeUp("body", car.now))
    car.signals[vss.DOORS_OPEN[0]] = True
    car.show()


@pytest.mark.parametrize(
    ("disk_takes_s", "max_age_s", "frames"),
    [(FRESH_S, 30, 1), (FRESH_S + 0.001, 30, 0), (1.0, 1, 1), (1.001, 1, 0)],
)
def test_an_unlock_is_sent_in_its_time_or_not_at_all(
    car: Driver, disk_takes_s: float, max_age_s: int, frames: int
) -> None:
    """Its time: the grant's own, and no longer than what was judged may be believed."""
    car.fall_asleep()
    request = car.ask(Service.UNLOCK)
    car.receive("grant", car.grant_for(request, max_age_s=max_age_s))
    car.stalls[Persist] = disk_takes_s
    wake_up_with_news(car)
    assert len(car.unlock_frames) == frames
    if not frames:
        assert verdict(car) == (Outcome.FAILED, Reason.TOO_LATE)
        assert records.UNLOCK not in car.stored
        car.pass_time(30)
        assert car.unlock_frames == []


@pytest.mark.parametrize(("disk_takes_s", "frames"), [(1.0, 1), (1.001, 0)])
def test_an_armed_unlock_is_sent_within_its_window_or_not_at_all(
    car: Driver, disk_takes_s: float, frames: int
) -> None:
    car.allow(Service.UNLOCK, parameters=signing.ARMED)
    armed_at = car.now
    car.pass_time(290)
    car.fall_asleep()
    car.awake = True
    car.put(BusWokeUp("body", car.now))
    car.jump(armed_at + 299 - car.now)
    car.signals[vss.PLATE] = True
    # Two writes: the intent, then the step that sends and tells of the door.
    car.settles = False
    car.show()
    car.settles = True
    car.signals[vss.DOORS_OPEN[0]] = True
    car.stalls[Persist] = disk_takes_s
    car.show()
    assert len(car.unlock_frames) == frames
    if not frames:
        assert verdict(car) == (Outcome.FAILED, Reason.TOO_LATE)


def counted_down(car: Driver) -> None:
    """Unlock, and let all but the last moment before the automatic re-lock pass."""
    car.locks(False)
    car.allow(Service.UNLOCK)
    car.pass_time(FRESH_EVERY_S)  # seen open since it was asked
    car.pass_time(119.9)


@pytest.mark.parametrize(("disk_takes_s", "frames"), [(FRESH_S, 1), (FRESH_S + 0.001, 0)])
def test_a_lock_is_sent_on_what_was_just_seen_or_not_at_all(
    car: Driver, disk_takes_s: float, frames: int
) -> None:
    """The step that sends has something to write: the frame waits for the disk, and somebody may have come."""
    counted_down(car)
    car.settles = False
    car.jump(0.1)
    car.fire()  # the attempt is durable, the frame is the next step's
    assert car.core.snapshot()["relock"] == "locking"
    car.stalls[Persist] = disk_takes_s
    car.settles = True
    car.change({vss.ALARM: "off"})
    assert len(car.lock_frames) == frames
    if not frames:
        (event,) = car.events(EventKind.RELOCK_FAILED)
        assert event.reason is Reason.TOO_LATE
        assert records.RELOCK not in car.stored


def test_a_disk_that_hangs_before_the_lock_lets_the_car_be_looked_at_again(car: Driver) -> None:
    counted_down(car)
    car.stalls[Persist] = FRESH_S + 0.001
    car.jump(0.1)
    car.fire()
    car.settle()
    assert car.lock_frames == []
    car.refresh()
    assert len(car.lock_frames) == 1


def test_somebody_who_came_while_the_disk_hung_is_not_locked_in(car: Driver) -> None:
    counted_down(car)
    car.stalls[Persist] = 60.0
    car.jump(0.1)
    car.settles = False
    car.fire()
    car.settles = True
    car.change({vss.DOORS_OPEN[0]: True})
    assert car.lock_frames == []
    (event,) = car.events(EventKind.RELOCK_CANCELLED)
    assert event.reason is Reason.DOOR_OPENED


def test_a_car_that_shows_nothing_after_the_disk_hung_is_left_as_it_is(car: Driver) -> None:
    counted_down(car)
    car.stalls[Persist] = 5.0
    car.jump(0.1)
    car.fire()
    car.pass_time(4.9, quiet=True)
    assert car.events(EventKind.RELOCK_FAILED) == []
    car.pass_time(0.2, quiet=True)
    (event,) = car.events(EventKind.RELOCK_FAILED)
    assert event.reason is Reason.SIGNALS_UNKNOWN
    assert car.lock_frames == []
    assert records.RELOCK not in car.stored


HERE: dict[str, Value] = {vss.LATITUDE: 57.7089, vss.LONGITUDE: 11.9746, vss.FIX_TYPE: "THREE_D"}


@pytest.mark.parametrize(("disk_takes_s", "positions"), [(7.0, 1), (7.001, 0)])
def test_a_snapshot_is_sealed_in_its_time_or_not_at_all(
    car: Driver, disk_takes_s: float, positions: int
) -> None:
    request = car.ask(Service.POSITION, parameters=signing.SNAPSHOT)
    car.receive("grant", car.grant_for(request, max_age_s=7))
    car.stalls[Persist] = disk_takes_s
    car.change(
        {**HERE, vss.DOORS_OPEN[0]: True}
    )  # an event, whose transaction stands before the fix
    assert len(car.positions) == positions
    if not positions:
        assert verdict(car) == (Outcome.FAILED, Reason.TOO_LATE)


@pytest.mark.parametrize(("disk_takes_s", "last"), [(20.0, 1), (20.001, 0)])
def test_no_position_is_sealed_after_the_stop_time_however_slow_the_disk(
    car: Driver, disk_takes_s: float, last: int
) -> None:
    car.change(dict(HERE))
    tracking = PositionParameters(PositionKind.TRACKING, 60, 80)
    car.allow(Service.POSITION, parameters=tracking)
    stop_at = car.now + 80
    car.pass_time(59.9)
    assert len(car.positions) == 1
    car.stalls[Persist] = disk_takes_s
    car.jump(0.1)
    car.refresh()
    assert len(car.positions) == 1 + last
    assert all(at <= stop_at for at, effect in car.done if isinstance(effect, SealPosition))
    car.pass_time(60)
    assert verdict(car) == (Outcome.EXECUTED, Reason.STOP_TIME)
