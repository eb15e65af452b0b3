"""Bytes of the kernel's CAN frames, there and back.

Layout, native byte order: 4 bytes identifier and flags, 1 byte length, 1 byte FD flags, 2 bytes reserved, then 8 data
bytes (`struct can_frame`, 16 bytes in all) or 64 (`struct canfd_frame`, 72 bytes in all).
Source: Linux include/uapi/linux/can.h.
"""

from __future__ import annotations

import struct

from tcu_agent.adapters.can.lengths import padded_length
from tcu_agent.errors import BugError
from tcu_agent.ports import CanFrame

CLASSIC_BYTES = 16
FD_BYTES = 72
EFF_FLAG = 0x8000_0000
RTR_FLAG = 0x4000_0000
ERR_FLAG = 0x2000_0000
EFF_MASK = 0x1FFF_FFFF
SFF_MASK = 0x0000_07FF

_HEAD = struct.Struct("=IBBxx")
_DATA_AT = _HEAD.size
_LARGEST_DATA = {False: CLASSIC_BYTES - _DATA_AT, True: FD_BYTES - _DATA_AT}
_BIT_RATE_SWITCH = 0x01
_FD_FLAG = 0x04
"""CANFD_FDF: newer drivers look at it, older ones ignore it."""


def unpack(raw: bytes, timestamp_s: float) -> CanFrame | None:
    """Return the frame; None if the bytes are none. `timestamp_s`: CLOCK_BOOTTIME."""
    size = len(raw)
    if size not in (CLASSIC_BYTES, FD_BYTES):
        return None
    word, length, _ = _HEAD.unpack_from(raw)
    if length > size - _DATA_AT:
        return None
    is_extended = word & EFF_FLAG != 0
    return CanFrame(
        word & (EFF_MASK if is_extended or word & ERR_FLAG else SFF_MASK),
        raw[_DATA_AT : _DATA_AT + length],
        is_extended,
        size == FD_BYTES,
        word & ERR_FLAG != 0,
        word & RTR_FLAG != 0,
        timestamp_s,
    )


def pack(frame: CanFrame, *, bit_rate_switch: bool = True) -> bytes:
    """Return the bytes to send. `bit_rate_switch`: an FD frame's data go with the faster bit rate.

    Raises:
        BugError: no such frame exists.
    """
    largest = EFF_MASK if frame.is_extended_id else SFF_MASK
    length = len(frame.data)
    if frame.arbitration_id not in range(largest + 1) or length > _LARGEST_DATA[frame.is_fd]:
        raise BugError(
            f"no CAN frame: id {frame.arbitration_id:#x}, {length} bytes, FD {frame.is_fd}"
        )
    word = frame.arbitration_id | (EFF_FLAG if frame.is_extended_id else 0)
    if not frame.is_fd:
        word |= RTR_FLAG if frame.is_remote_frame else 0
        return (_HEAD.pack(word, length, 0) + frame.data).ljust(CLASSIC_BYTES, b"\0")
    padded = padded_length(length)
    flags = _FD_FLAG | (_BIT_RATE_SWITCH if bit_rate_switch else 0)
    return (_HEAD.pack(word, padded, flags) + frame.data).ljust(FD_BYTES, b"\0")
