"""A car that was locked and left, and its days."""

from __future__ import annotations

from tcu_agent.core.effects import GoToSleep
from tests.core.driver import WALL_AT_0, Driver, settings
from tests.protocol import signing

DAY_S, HOUR_S = 86_400.0, 3600.0
LISTEN_S, WAKE_S, VISIT_S = 5 * DAY_S, 17 * DAY_S, 120.0
START_S = 1000.0


def parked(*, wall_offset: float | None = WALL_AT_0, **changes: object) -> Driver:
    car = Driver(settings=settings(**changes), wall_offset=wall_offset)
    car.provision()
    car.fall_asleep()
    return car


def state(car: Driver) -> object:
    return car.core.snapshot()["availability"]


def sleeps(car: Driver) -> list[GoToSleep]:
    return car.seen(GoToSleep)


def told(car: Driver) -> None:
    """Let the centre have everything that the car has stored."""
    journal = car.core._parts.journal
    car.receive("ack", signing.sign(car.centre.ack(journal.last_seq, journal.stream_id)))


def until(car: Driver, at_s: float) -> None:
    """Let time pass until so long after the car was parked."""
    car.pass_time(START_S + at_s - car.now)
