"""The car's position as the GNSS signals say it: how good, and how old. Kept in RAM only, and never told but sealed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.theft.places import Place
from tcu_agent.core.vehicle import VehicleState
from tcu_agent.protocol import tables
from tcu_agent.protocol.messages import Fix
from tcu_agent.protocol.vocabulary import FixQuality

MAX_LATITUDE, MAX_LONGITUDE = 90.0, 180.0
"""Degrees; beyond them a receiver says nothing that makes sense."""
_UINT32 = tables.UINT32.high


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sighting:
    """A place, and when the receiver measured it (CLOCK_BOOTTIME, s)."""

    measured_at: float
    quality: FixQuality
    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    accuracy_m: float | None = field(repr=False)
    heading_deg: float | None = field(repr=False)


class FixSource:
    """Remembers the last place that the signals told."""

    def __init__(self, *, vehicle: VehicleState, fresh_s: float) -> None:
        self._vehicle = vehicle
        self._fresh_s = fresh_s
        self._last: _Sighting | None = None
        self._looked_at = 0

    def advance(self, now: float) -> None:
        """Look at the signals again, if there is anything new: called once for each event."""
        if self._looked_at != self._vehicle.told:
            self._looked_at = self._vehicle.told
            self._last = self._sighting(now) or self._last

    def is_fresh(self, now: float) -> bool:
        """Whether the receiver has a fix now."""
        last = self._last
        return last is not None and last.quality >= FixQuality.FIX_2D and self._is_new(last, now)

    def place(self, now: float) -> Place | None:
        """Return where the car is by a fix of now, None if there is none."""
        last = self._last
        if last is None or not self.is_fresh(now):
            return None
        if last.accuracy_m is None:
            return Place(latitude=last.latitude, longitude=last.longitude)
        return Place(latitude=last.latitude, longitude=last.longitude, accuracy_m=last.accuracy_m)

    def fix(self, now: float, wall: float | None) -> Fix:
        """Return the best that can be said now; what the wire has no number for is left out, an age is cut off."""
        wall_time_ms = records.told_ms(wall)
        last = self._last
        if last is None:
            return Fix(quality=FixQuality.NONE, wall_time_ms=wall_time_ms)
        speed = _number(self._vehicle.fresh(vss.SPEED_KMH, now))
        return Fix(
            quality=last.quality if self._is_new(last, now) else FixQuality.LAST_KNOWN,
            wall_time_ms=wall_time_ms,
            latitude_e7=round(last.latitude * 1e7),
            longitude_e7=round(last.longitude * 1e7),
            age_ms=_age_ms(now - last.measured_at),
            accuracy_cm=_in_units(last.accuracy_m, 100),
            heading_ddeg=_heading_ddeg(last.heading_deg),
            speed_ckmh=_in_units(None if speed is None else abs(speed), 100),
        )

    def _is_new(self, sighting: _Sighting, now: float) -> bool:
        return now - sighting.measured_at <= self._fresh_s

    def _sighting(self, now: float) -> _Sighting | None:
        """Return the place that the signals tell, None if they tell none."""
        vehicle = self._vehicle
        latitude = _number(vehicle.value(vss.LATITUDE))
        longitude = _number(vehicle.value(vss.LONGITUDE))
        if latitude is None or longitude is None:
            return None
        if abs(latitude) > MAX_LATITUDE or abs(longitude) > MAX_LONGITUDE:
            return None
        seen_s = max(vehicle.age_s(vss.LATITUDE, now), vehicle.age_s(vss.LONGITUDE, now))
        return _Sighting(
            measured_at=now - seen_s - (_amount(vehicle.value(vss.FIX_AGE_S)) or 0.0),
            quality=_quality(vehicle.value(vss.FIX_TYPE)),
            latitude=latitude,
            longitude=longitude,
            accuracy_m=_amount(vehicle.value(vss.ACCURACY_M)),
            heading_deg=_number(vehicle.value(vss.HEADING)),
        )


def _number(value: object) -> float | None:
    """Return a number, None for anything else (a bool is none)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _amount(value: object) -> float | None:
    """Return a number that cannot be negative; below zero a receiver says that it does not know."""
    number = _number(value)
    return None if number is None or number < 0 else number


def _age_ms(age_s: float) -> int:
    return round(min(max(0.0, age_s), _UINT32 / 1000) * 1000)


def _in_units(value: float | None, per_unit: int, highest: int = _UINT32) -> int | None:
    """Return a value as `0..highest` of the wire's units, None if it is not within them."""
    if value is None or not 0 <= value <= highest / per_unit:
        return None
    return round(value * per_unit)


def _heading_ddeg(heading_deg: float | None) -> int | None:
    """Return tenths of a degree; 360 degrees are north, as 0 are."""
    whole = _in_units(heading_deg, 10, 3600)
    return None if whole is None else whole % 3600


def _quality(fix_type: object) -> FixQuality:
    """Return the quality behind VSS's names; without a fix, a place is only the last one known."""
    name = str(fix_type)
    if name.startswith("THREE_D"):
        return FixQuality.FIX_3D
    return FixQuality.FIX_2D if name.startswith("TWO_D") else FixQuality.LAST_KNOWN
