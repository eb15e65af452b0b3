"""Watches for frames with our own identifiers: not sent by us, or sent by us when nobody waits for them any more.

Not by us: somebody imitates us, or is set up wrongly. It may also be a program on our own host, or a frame that an
agent before us has left in the controller: the kernel marks both alike, as sent by this host and not by this socket.
"""

from __future__ import annotations

import math

from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.mapping.mapping import CommandMapping, Placeholder, VehicleMapping
from tcu_agent.core.events import CoreEvent, SecurityObserved
from tcu_agent.ports import CanFrame

_ACT = frozenset({"unlock", "lock"})
"""Commands that move something, whenever they get there."""
_AGAIN_S = 60.0
"""A node that goes on using our identifier is reported once a minute, not for each frame."""


class _KnownCommand:
    """Recognises one command in a message by the signals that are the same in each of its frames."""

    def __init__(self, command: CommandMapping, message: DbcMessage) -> None:
        self.name = command.name
        self._message = message
        self._constant = {
            name: raw for name, raw in command.signals.items() if not isinstance(raw, Placeholder)
        }

    def is_in(self, data: bytes) -> bool:
        """Whether this is such a command; never raises."""
        try:
            raws = self._message.decode(data, decode_choices=False, scaling=False)
        except Exception:  # noqa: BLE001 -- whatever a strange frame makes cantools raise: it is no command of ours
            return False
        return isinstance(raws, dict) and all(
            raws.get(name) == raw for name, raw in self._constant.items()
        )


class OwnIds:
    """The identifiers that the agent itself sends on one bus. The CAN port keeps our own frames from coming back."""

    def __init__(self, mapping: VehicleMapping, bus: str) -> None:
        messages = [mapping.buses[bus].message(name) for name in mapping.transmitted(bus)]
        self._bus = bus
        self._names: dict[FrameKey, str] = {
            (one.frame_id, one.is_extended_frame): one.name for one in messages
        }
        self._commands: dict[FrameKey, list[_KnownCommand]] = {}
        for name, command in mapping.commands.items():
            if name in _ACT and command.bus == bus:
                message = mapping.buses[bus].message(command.message)
                key = (message.frame_id, message.is_extended_frame)
                self._commands.setdefault(key, []).append(_KnownCommand(command, message))
        self._reported_at: dict[tuple[FrameKey, str], float] = {}
        self.count = 0
        self.late = 0
        """Frames of ours that got onto the bus after their sender had given up."""

    def __contains__(self, key: FrameKey) -> bool:
        return key in self._names

    def observe(self, frame: CanFrame, at: float) -> list[CoreEvent]:
        """Take a frame with one of these identifiers that we have not sent; an unlock is no cover for a lock."""
        self.count += 1
        key = _key(frame)
        about = key, self._command(frame)
        if at - self._reported_at.get(about, -math.inf) < _AGAIN_S:
            return []
        self._reported_at[about] = at
        return [self._observed("own-id-from-other-node", frame, self.count)]

    def got_there_late(self, frame: CanFrame) -> list[CoreEvent]:
        """Take a frame of ours that got onto the bus after its sender had given up; a command has acted then."""
        self.late += 1
        if _key(frame) not in self._commands:
            return []
        return [self._observed("late-on-the-bus", frame, self.late)]

    def _observed(self, kind: str, frame: CanFrame, count: int) -> SecurityObserved:
        name = self._names[_key(frame)]
        return SecurityObserved(self._bus, kind, name, count, self._command(frame))

    def _command(self, frame: CanFrame) -> str:
        known = self._commands.get(_key(frame), ())
        return next((each.name for each in known if each.is_in(frame.data)), "")


def _key(frame: CanFrame) -> FrameKey:
    return frame.arbitration_id, frame.is_extended_id
