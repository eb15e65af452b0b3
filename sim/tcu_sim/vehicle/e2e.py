"""AUTOSAR E2E profile 1 (variant 1A, data id "both"), the sender's side, and ways to get it wrong.

Byte 0 is the CRC, the low half of byte 1 the alive counter. Source: dbc/README.md; AUTOSAR PRS_E2EProtocol.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, unique
from typing import Final

from tcu_sim.bus.frame import Frame

POLYNOMIAL: Final = 0x1D
COUNTER_STEPS: Final = 15
"""The counter runs 0..14; 15 is never sent."""


def crc8(data: bytes) -> int:
    """Return the CRC-8 with SAE J1850's polynomial, start value 0, no final XOR, not reflected."""
    crc = 0
    for byte in data:
        crc = _REMAINDERS[crc ^ byte]
    return crc


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1 ^ POLYNOMIAL if byte & 0x80 else byte << 1) & 0xFF
    return byte


_REMAINDERS: Final = tuple(_remainder(byte) for byte in range(256))


@unique
class E2eFault(Enum):
    """How a sender may fail."""

    OK = "ok"
    WRONG_CRC = "wrong-crc"
    STUCK_COUNTER = "stuck-counter"


class E2eSender:
    """Protects one message, frame after frame."""

    def __init__(self, data_id: int) -> None:
        self.fault = E2eFault.OK
        self._data_id = data_id
        self._counter = 0

    def protect(self, frame: Frame) -> Frame:
        """Fill in counter and CRC, and take the counter one step on."""
        data = bytearray(frame.data)
        data[1] = data[1] & 0xF0 | self._counter
        data[0] = crc8(self._data_id.to_bytes(2, "little") + data[1:])
        if self.fault is E2eFault.WRONG_CRC:
            data[0] ^= 0xFF
        if self.fault is not E2eFault.STUCK_COUNTER:
            self._counter = (self._counter + 1) % COUNTER_STEPS
        return replace(frame, data=bytes(data))
