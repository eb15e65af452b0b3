"""What the agent's own messages have in common from frame to frame, looked up and made before anybody waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.can.e2e import E2eSender
from tcu_agent.adapters.can.secoc import FreshnessCounter
from tcu_agent.adapters.mapping.dbc_names import encode_raw
from tcu_agent.adapters.mapping.mapping import CommandMapping, Placeholder, SecocProtection
from tcu_agent.ports import CanFrame

_CLASSIC_BYTES = 8
"""A longer message can only be CAN FD, whatever the DBC's attributes say."""
_PREPARED = 256
"""A command with so many numbers at most has its payloads made beforehand: nobody should wait for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """What all frames of one message have in common, looked up once. `secoc`: how, and with which freshness."""

    message: DbcMessage
    sender: E2eSender | None
    secoc: tuple[SecocProtection, FreshnessCounter] | None

    def encode(self, raws: Mapping[str, int]) -> bytes:
        """Return the payload, not yet protected."""
        return encode_raw(self.message, raws)

    def frame(self, data: bytes) -> CanFrame:
        """Return the frame with this content."""
        message = self.message
        return CanFrame(
            arbitration_id=message.frame_id,
            data=data,
            is_extended_id=message.is_extended_frame,
            is_fd=message.is_fd or message.length > _CLASSIC_BYTES,
        )


class NumberedCommand:
    """One command of the mapping, its payload for each number that it can have."""

    def __init__(self, mapping: CommandMapping, message: OutgoingMessage) -> None:
        self.bus = mapping.bus
        self.message = message
        self._mapping = mapping
        bits = [
            message.message.get_signal_by_name(name).length
            for name, raw in mapping.signals.items()
            if raw is Placeholder.COUNTER
        ]
        self.numbers = 1 << min(bits, default=8)
        self._payloads = [self._encode(each) for each in range(min(self.numbers, _PREPARED))]

    def payload(self, number: int) -> bytes:
        """Return the payload, not yet protected."""
        if number < len(self._payloads):
            return self._payloads[number]
        return self._encode(number)

    def _encode(self, number: int) -> bytes:
        return self.message.encode(raw_values_of(self._mapping, {Placeholder.COUNTER: number}))


def raw_values_of(command: CommandMapping, filled: Mapping[Placeholder, int]) -> dict[str, int]:
    """Return the raw value of each signal that the mapping names, the placeholders filled in."""
    return {
        name: filled[raw] if isinstance(raw, Placeholder) else raw
        for name, raw in command.signals.items()
    }
