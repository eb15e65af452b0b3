"""GNSS, the satellite receiver: tells position, its quality and its age; loses its fix and finds it again."""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from typing_extensions import override

from tcu_sim.vehicle.database import Signals
from tcu_sim.vehicle.ecu import Ecu, Wiring
from tcu_sim.vehicle.motion import Motion, Position

NO_POSITION: Final = 0x7FFF_FFFF
"""Raw value of both coordinates while there is none."""
INVALID: Final = 0xFFFF
"""Raw value of heading, accuracy and age that are unknown."""
ACCURACY_M: Final = {"Fix2D": 9.0, "Fix3D": 2.5}
SATELLITES: Final = {"NoFix": 2, "Fix2D": 3, "Fix3D": 11}


@unique
class Fix(Enum):
    """What the receiver sees of the sky; the values are the DBC's."""

    LOST = "NoFix"
    FLAT = "Fix2D"
    FULL = "Fix3D"


class SatelliteReceiver(Ecu):
    """Follows the true position while it has a fix, and keeps the last one when it has not."""

    def __init__(self, wiring: Wiring, *, motion: Motion, now: float) -> None:
        super().__init__(wiring, messages=("GnssPosition", "GnssQuality"))
        self.fix = Fix.FULL
        self._motion = motion
        self._known: tuple[Position, float, float] | None = None
        self._take_fix(now)

    def set_fix(self, fix: Fix, *, now: float) -> None:
        """Lose the fix, or find it."""
        self._take_fix(now)
        self.fix = fix
        self._take_fix(now)

    def forget(self) -> None:
        """Lose the fix and the last position with it, as after a cold start under a roof."""
        self.fix, self._known = Fix.LOST, None

    @override
    def content(self, name: str, now: float) -> Signals:
        self._take_fix(now)
        if name == "GnssPosition":
            return self._position()
        return self._quality(now)

    def _take_fix(self, now: float) -> None:
        if self.fix is not Fix.LOST:
            self._known = (self._motion.position, self._motion.heading_deg, now)

    def _position(self) -> Signals:
        if self._known is None:
            raw = NO_POSITION * 1e-7
            return {"Latitude": raw, "Longitude": raw}
        position = self._known[0]
        return {"Latitude": position.latitude_deg, "Longitude": position.longitude_deg}

    def _quality(self, now: float) -> Signals:
        heading_deg, age_s = INVALID / 100, INVALID / 10
        if self._known is not None:
            heading_deg, age_s = self._known[1], min(now - self._known[2], 6553.0)
        return {
            "Heading": min(heading_deg, 359.99) if self._known else heading_deg,
            "HorizontalAccuracy": ACCURACY_M.get(self.fix.value, INVALID / 100),
            "FixType": self.fix.value,
            "Satellites": SATELLITES[self.fix.value],
            "FixAge": age_s,
        }
