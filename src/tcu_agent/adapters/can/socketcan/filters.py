"""Which identifiers the kernel shall pass on, and which it shall not wake us for.

Only exact filters with both flags in their mask go into the kernel's table that it looks up in one step; others are
tried one by one, for each frame of the bus. Source: Linux net/can/af_can.c (`can_rcv_list_find`).
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.socketcan.frames import EFF_FLAG, EFF_MASK, RTR_FLAG, SFF_MASK

MOST_FILTERS = 512
"""CAN_RAW_FILTER_MAX."""
_INVERTED = 0x2000_0000
_FILTER = struct.Struct("=II")


def exactly(keys: Collection[FrameKey]) -> bytes:
    """Return a CAN_RAW_FILTER that passes these and nothing else; of 11 and of 29 bits exactly, no remote frames."""
    return b"".join(_FILTER.pack(*_exact(key)) for key in sorted(keys))


def all_but(keys: Collection[FrameKey]) -> bytes:
    """Return a CAN_RAW_FILTER that passes all others; for use with CAN_RAW_JOIN_FILTERS."""
    if not keys:
        return _FILTER.pack(0, 0)
    return b"".join(
        _FILTER.pack(number | _INVERTED, mask) for number, mask in map(_exact, sorted(keys))
    )


def _exact(key: FrameKey) -> tuple[int, int]:
    number, is_extended = key
    if is_extended:
        return number | EFF_FLAG, EFF_MASK | EFF_FLAG | RTR_FLAG
    return number, SFF_MASK | EFF_FLAG | RTR_FLAG
