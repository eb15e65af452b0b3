"""What the bus can cause at will is told at a limited rate, and what was told last of each subject is true."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import BusFaulted, SecurityObserved
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.reports.reports import BURST, PER_MINUTE
from tcu_agent.protocol.vocabulary import EventKind
from tests.core.driver import Driver

A_TOKEN_S = 60 / PER_MINUTE


def states(car: Driver, bus: str = "body") -> list[object]:
    told = [event.values for event in car.events(EventKind.BUS_STATE)]
    return [values[vss.BUS_STATE] for values in told if values[vss.BUS_NAME] == bus]


def counts(car: Driver, message: str) -> list[object]:
    told = [event.values for event in car.events(EventKind.SECURITY)]
    return [v[vss.OBSERVED_COUNT] for v in told if v[vss.OBSERVED_MESSAGE] == message]


def flicker(car: Driver, times: int = BURST, bus: str = "body") -> None:
    """Use up all tokens; the last state that is told is `restarted`."""
    for step in range(times):
        car.put(BusFaulted(bus, ("bus-off", "restarted")[step % 2]))


@pytest.mark.parametrize("first", ["error-active", "error-passive"])
def test_a_bus_that_has_flickered_is_told_to_be_well_again(car: Driver, first: str) -> None:
    car.put(BusFaulted("body", first))
    flicker(car, 40)
    car.put(BusFaulted("body", "error-active"))
    car.pass_time(3600, quiet=True)
    assert states(car)[-1] == "error-active"
    assert len(states(car)) == BURST + 1


def test_what_waits_is_told_as_soon_as_there_is_room(car: Driver) -> None:
    began = car.now
    flicker(car)
    car.put(BusFaulted("body", "bus-off"))
    assert car.core.next_deadline() == pytest.approx(began + A_TOKEN_S)
    car.pass_time(A_TOKEN_S - 0.01, quiet=True)
    assert states(car)[-1] == "restarted"
    car.pass_time(0.02, quiet=True)
    assert states(car)[-1] == "bus-off"
    assert car.core._parts.reports.deadline is None
    assert car.notes.count("event-dropped") == 0


def test_a_bus_that_is_again_as_it_was_told_is_not_told_again(car: Driver) -> None:
    flicker(car)
    car.put(BusFaulted("body", "error-active"))
    car.put(BusFaulted("body", "restarted"))
    assert car.core._parts.reports.deadline is None
    car.pass_time(60, quiet=True)
    assert len(states(car)) == BURST
    assert car.notes.count("event-dropped") == 1


def test_the_same_again_is_no_other_report(car: Driver) -> None:
    flicker(car)
    for _ in range(3):
        car.put(BusFaulted("body", "error-passive"))
    assert car.notes.count("event-dropped") == 0


def test_each_bus_gets_its_turn(car: Driver) -> None:
    flicker(car)
    for step in range(20):
        car.put(BusFaulted("body", ("bus-off", "restarted")[step % 2]))
        car.put(BusFaulted("drive", ("bus-off", "restarted")[step % 2]))
    car.put(BusFaulted("body", "error-active"))
    assert states(car, "drive") == []
    car.pass_time(A_TOKEN_S, quiet=True)
    assert (states(car)[-1], states(car, "drive")) == ("restarted", ["restarted"])
    car.pass_time(A_TOKEN_S, quiet=True)
    assert (states(car)[-1], states(car, "drive")) == ("error-active", ["restarted"])


def test_an_attack_on_many_messages_is_told_of_each(car: Driver) -> None:
    """The decoder tells it once for as long as it goes on."""
    for number in range(BURST + 2):
        car.put(SecurityObserved("body", "e2e-failed", f"M{number}", 5))
    assert len(car.events(EventKind.SECURITY)) == BURST
    car.pass_time(2 * A_TOKEN_S, quiet=True)
    assert counts(car, f"M{BURST}") == counts(car, f"M{BURST + 1}") == [5]


def test_of_an_attack_that_goes_on_the_last_count_is_told(car: Driver) -> None:
    for count in range(100):
        car.put(SecurityObserved("body", "e2e-failed", "DoorLockStatus", count))
    car.pass_time(3600, quiet=True)
    assert counts(car, "DoorLockStatus") == [*range(BURST), 99]
    assert car.notes.count("event-dropped") == 100 - BURST - 1


def test_two_kinds_of_attack_on_one_message_are_two(car: Driver) -> None:
    flood = [SecurityObserved("body", "e2e-failed", "M", count) for count in range(20)]
    for seen in (*flood, SecurityObserved("body", "own-id-from-other-node", "M", 1)):
        car.put(seen)
    car.pass_time(60, quiet=True)
    assert counts(car, "M")[-2:] == [19, 1]


def test_a_lock_takes_not_the_place_of_an_unlock_that_waits(car: Driver) -> None:
    for count in range(BURST):
        car.put(SecurityObserved("body", "e2e-failed", "M", count))
    for command in ("unlock", "lock"):
        car.put(SecurityObserved("body", "late-on-the-bus", "C", 1, command))
    car.pass_time(60, quiet=True)
    told = [event.values.get(vss.OBSERVED_COMMAND) for event in car.events(EventKind.SECURITY)]
    assert told[-2:] == ["unlock", "lock"]


@pytest.mark.parametrize("now", [0.1, 1e6 / 3, 1e9 / 3])
@pytest.mark.parametrize("per_minute", [6, 10, 120])
def test_a_bucket_is_ready_when_it_says_so(now: float, per_minute: float) -> None:
    """Else whoever waits for it would be called again and again."""
    bucket = Bucket(burst=2, per_minute=per_minute, now=now)
    assert bucket.ready_at == now
    for _ in range(50):
        while bucket.take(now):
            pass
        assert bucket.ready_at > now
        now = bucket.ready_at
        assert bucket.take(now)
