"""ESC, the stability control: tells the vehicle's speed."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from tcu_sim.vehicle.database import Signals
from tcu_sim.vehicle.ecu import Ecu, Wiring
from tcu_sim.vehicle.motion import Motion


class StabilityControl(Ecu):
    """Measures the motion, and keeps it moving."""

    def __init__(self, wiring: Wiring, *, motion: Motion) -> None:
        super().__init__(wiring, messages=("VehicleMotion",))
        self._motion = motion

    @override
    def content(self, name: str, now: float) -> Signals:
        speed_kmh = self._motion.speed_kmh
        return {
            "VehicleSpeed": round(speed_kmh, 2),
            "Standstill": "Standing" if speed_kmh == 0.0 else "Moving",
        }

    @override
    def advance(self, now: float) -> None:
        self._motion.advance(now)

    @override
    def deadlines(self) -> Sequence[float | None]:
        return [self._motion.next_deadline()]
