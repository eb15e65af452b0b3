"""How a socket is waited for: by its next frame, or, while frames come thick, by pauses in which some gather. Sans I/O.

To be woken costs many times what a frame costs. So on a bus that brings what is wanted more often than once in a pause,
nobody is woken by a frame: the socket is looked at after each pause. On any other the first frame wakes us at once.

A frame that is read later has the kernel's stamp all the same, and its debounce runs from there: a pause that is
shorter than the debounce delays nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from tcu_agent.ports import CanFrame

PAUSE_S = 0.04
"""How late a frame may be read. Doors have a debounce of 50 ms, and a person who presses a button does not feel it."""
LEAST_ROOM_BYTES = 2 << 20
"""A receive buffer below it is woken for: in a pause and a slow moment behind it, it could run full.

In the kernel's own accounting, 2,700 frames: 0.3 s of the busiest bus with CAN FD.
"""
_TOGETHER_S = 0.001
"""Frames that come closer than this to each other wake us once."""
_MARKS = 16


class Pace:
    """Says which of the two ways is cheaper. Times: CLOCK_BOOTTIME, s."""

    def __init__(self) -> None:
        self._marks = deque([-math.inf] * _MARKS, maxlen=_MARKS)
        """When the last frames came, of those that come together the first."""

    def is_thick(self, frames: Sequence[CanFrame], now: float) -> bool:
        """Take what a look has brought; return whether a look after each pause would be fewer wake-ups."""
        marks = self._marks
        last = marks[-1]
        for frame in frames:
            if frame.timestamp_s - last > _TOGETHER_S:
                last = frame.timestamp_s
                marks.append(last)
        return now - marks[0] < _MARKS * PAUSE_S
