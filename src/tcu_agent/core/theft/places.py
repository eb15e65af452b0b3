"""How far apart two places on the Earth are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

EARTH_RADIUS_M = 6_371_000.0
UNKNOWN_ACCURACY_M = 50.0
"""For a receiver that does not say how good its fix is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A fix: degrees, and how many metres it may be wrong."""

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    accuracy_m: float = field(default=UNKNOWN_ACCURACY_M, repr=False)

    def is_beyond(self, distance_m: float, other: Place) -> bool:
        """Whether the two are provably further apart than `distance_m`."""
        return self.distance_m(other) > distance_m + self.accuracy_m + other.accuracy_m

    def distance_m(self, other: Place) -> float:
        """Return the great-circle distance (haversine)."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        across = math.radians(other.longitude - self.longitude)
        half_chord = (
            math.sin((there - here) / 2) ** 2
            + math.cos(here) * math.cos(there) * math.sin(across / 2) ** 2
        )
        return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half_chord)))
