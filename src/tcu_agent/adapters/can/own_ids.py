"""Watches for frames with our own identifiers: from other nodes, or our own when nobody waits for them any more.

Of other nodes: somebody imitates us, or is set up wrongly.
"""

from __future__ import annotations

import math

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.core.events import CoreEvent, SecurityObserved

_ACT = frozenset({"unlock", "lock"})
"""Commands that move something, whenever they get there."""
_AGAIN_S = 60.0
"""A node that goes on using our identifier is reported once a minute, not for each frame."""


class OwnIds:
    """The identifiers that the agent itself sends on one bus. The CAN port keeps our own frames from coming back."""

    def __init__(self, mapping: VehicleMapping, bus: str) -> None:
        messages = [mapping.buses[bus].message(name) for name in mapping.transmitted(bus)]
        self._bus = bus
        self._names: dict[FrameKey, str] = {
            (one.frame_id, one.is_extended_frame): one.name for one in messages
        }
        self._commands = {
            one.message for name, one in mapping.commands.items() if name in _ACT and one.bus == bus
        }
        self._reported_at: dict[FrameKey, float] = {}
        self.count = 0
        self.late = 0
        """Frames of ours that got onto the bus after their sender had given up."""

    def __contains__(self, key: FrameKey) -> bool:
        return key in self._names

    def observe(self, key: FrameKey, at: float) -> list[CoreEvent]:
        """Take a frame of another node with one of these identifiers."""
        self.count += 1
        if at - self._reported_at.get(key, -math.inf) < _AGAIN_S:
            return []
        self._reported_at[key] = at
        return [SecurityObserved(self._bus, "own-id-from-other-node", self._names[key], self.count)]

    def got_there_late(self, key: FrameKey) -> list[CoreEvent]:
        """Take a frame of ours that got onto the bus after its sender had given up; a command has acted then."""
        self.late += 1
        name = self._names.get(key, "")
        if name not in self._commands:
            return []
        return [SecurityObserved(self._bus, "late-on-the-bus", name, self.late)]
