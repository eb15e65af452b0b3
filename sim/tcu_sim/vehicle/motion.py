"""Where the vehicle is and how fast it goes. No I/O, time is an argument.

A position is set, follows waypoints while driving, or wanders along a seeded road. Plane geometry on a sphere: good to
a few metres over the kilometres that a bench drives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final

METRES_PER_DEGREE: Final = 111_320.0
"""Of latitude, on the mean sphere."""
ACCELERATION_KMH_PER_S: Final = 10.0
BRAKING_KMH_PER_S: Final = 25.0
STEP_S: Final = 0.1
BEND_DEG_PER_S: Final = 2.0
"""How much an unmapped road turns at most."""


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, degrees; north and east positive."""

    latitude_deg: float
    longitude_deg: float

    def moved(self, metres: float, heading_deg: float) -> Position:
        """Return the place so many metres away."""
        north_m = metres * math.cos(math.radians(heading_deg))
        east_m = metres * math.sin(math.radians(heading_deg))
        latitude_deg = max(-89.9, min(89.9, self.latitude_deg + north_m / METRES_PER_DEGREE))
        longitude_deg = self.longitude_deg + east_m / (
            METRES_PER_DEGREE * math.cos(math.radians(latitude_deg))
        )
        return Position(latitude_deg, (longitude_deg + 180.0) % 360.0 - 180.0)

    def way_to(self, other: Position) -> tuple[float, float]:
        """Return distance in metres and heading in degrees 0..360."""
        north_m = (other.latitude_deg - self.latitude_deg) * METRES_PER_DEGREE
        east_deg = (other.longitude_deg - self.longitude_deg + 180.0) % 360.0 - 180.0
        east_m = east_deg * METRES_PER_DEGREE * math.cos(math.radians(self.latitude_deg))
        return math.hypot(north_m, east_m), math.degrees(math.atan2(east_m, north_m)) % 360.0


START: Final = Position(57.7089, 11.9746)
"""Where a new vehicle stands: an invention of the bench, a place at sea level in the north."""


class Motion:
    """Speed and position, advanced in small steps."""

    def __init__(self, *, rng: Random, now: float) -> None:
        self.position = START
        self.heading_deg = 0.0
        self.speed_kmh = 0.0
        self._target_kmh = 0.0
        self._stop_at_s: float | None = None
        self._waypoints: list[Position] = []
        self._rng = rng
        self._at_s = now

    @property
    def is_standing(self) -> bool:
        """Whether the wheels stand, and nobody wants them to turn."""
        return self.speed_kmh == 0.0 and self._target_kmh == 0.0

    def place(self, position: Position) -> None:
        """Put the vehicle somewhere; waypoints are forgotten."""
        self.position = position
        self._waypoints.clear()

    def follow(self, waypoints: list[Position]) -> None:
        """Drive along these from now on, in order; behind the last one the road wanders."""
        self._waypoints = list(waypoints)

    def drive(self, speed_kmh: float, *, for_s: float | None, now: float) -> None:
        """Accelerate to a speed; after `for_s` seconds brake to a stop."""
        self.advance(now)
        self._target_kmh = speed_kmh
        self._stop_at_s = None if for_s is None else now + for_s

    def stop(self, now: float) -> None:
        """Brake to a stop."""
        self.advance(now)
        self._target_kmh, self._stop_at_s = 0.0, None

    def next_deadline(self) -> float | None:
        """Return when to advance next; None while standing."""
        return None if self.is_standing else self._at_s + STEP_S

    def advance(self, now: float) -> None:
        """Move on to `now` in steps of at most `STEP_S`."""
        while self._at_s < now:
            if self.is_standing:
                self._at_s = now
                return
            step_s = min(STEP_S, now - self._at_s)
            self._at_s = now if now - self._at_s <= STEP_S else self._at_s + step_s
            self._step(step_s)

    def _step(self, step_s: float) -> None:
        if self._stop_at_s is not None and self._at_s >= self._stop_at_s:
            self._target_kmh, self._stop_at_s = 0.0, None
        before_kmh = self.speed_kmh
        if self.speed_kmh < self._target_kmh:
            self.speed_kmh = min(self._target_kmh, self.speed_kmh + ACCELERATION_KMH_PER_S * step_s)
        else:
            self.speed_kmh = max(self._target_kmh, self.speed_kmh - BRAKING_KMH_PER_S * step_s)
        self._travel((before_kmh + self.speed_kmh) / 2 / 3.6 * step_s, step_s)

    def _travel(self, metres: float, step_s: float) -> None:
        while self._waypoints and metres > 0:
            distance_m, heading_deg = self.position.way_to(self._waypoints[0])
            if distance_m > metres:
                self.heading_deg = heading_deg
                self.position = self.position.moved(metres, heading_deg)
                return
            self.position = self._waypoints.pop(0)
            metres -= distance_m
        if metres > 0:
            self.heading_deg = (
                self.heading_deg + self._rng.uniform(-1, 1) * BEND_DEG_PER_S * step_s
            ) % 360.0
            self.position = self.position.moved(metres, self.heading_deg)
