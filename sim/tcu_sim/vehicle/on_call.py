"""OHC, the overhead console: the ON CALL button with its contacts, and the lamp that the TCU switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.database import Decoded, Signals
from tcu_sim.vehicle.ecu import Ecu, Wiring

BOUNCE_S: Final = 0.004
"""Time between two edges of a bouncing contact."""


class OverheadConsole(Ecu):
    """Button and lamp."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring, messages=("OnCallButton",), hears=("TcuStatus",))
        self.lamp = "Off"
        """Last lamp that the TCU showed, as the DBC calls it."""
        self.call_state = "Idle"
        self._state = "Released"
        self._edges: list[tuple[float, str]] = []

    @property
    def is_pressed(self) -> bool:
        """Whether the contact is closed."""
        return self._state == "Pressed"

    def press(self, for_s: float, *, bounces: int = 0, now: float) -> None:
        """Press and let go; with `bounces`, the contact opens and closes so many times at either end."""
        self._edges = [
            *self._bouncing("Pressed", bounces, now),
            *self._bouncing("Released", bounces, now + for_s),
        ]
        self.advance(now)

    def set_state(self, state: str, *, now: float) -> None:
        """Hold the button (``Pressed``), let it go (``Released``) or break it (``Fault``, ``Invalid``)."""
        self._edges = [(now, state)]
        self.advance(now)

    @override
    def content(self, name: str, now: float) -> Signals:
        return {"OnCallButtonState": self._state}

    @override
    def heard(self, frame: Frame, message: Decoded | None, now: float) -> None:
        if message is not None and message.name == "TcuStatus":
            self.lamp = str(message.signals["OnCallLamp"])
            self.call_state = str(message.signals["OnCallState"])

    @override
    def advance(self, now: float) -> None:
        while self._edges and self._edges[0][0] <= now:
            _, state = self._edges.pop(0)
            if state != self._state:
                self._state = state
                self.transmitter.trigger("OnCallButton", now)

    @override
    def deadlines(self) -> Sequence[float | None]:
        return [self._edges[0][0]] if self._edges else []

    def _bouncing(self, state: str, bounces: int, at_s: float) -> list[tuple[float, str]]:
        other = "Released" if state == "Pressed" else "Pressed"
        edges = [(at_s, state)]
        for _ in range(bounces):
            edges.append((edges[-1][0] + BOUNCE_S, other))
            edges.append((edges[-1][0] + BOUNCE_S, state))
        return edges
