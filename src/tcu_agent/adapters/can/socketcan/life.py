"""Signs of life of a bus of which we only listen to some identifiers.

Whether a silent signal is stale or the whole bus asleep depends on whether *anything* is heard. So a second socket
takes every identifier, and has room for two frames: it is looked at ten times a second while the bus lives, and wakes
us by its first frame when it was silent. What finds no room costs the kernel next to nothing, and us nothing. While the
first socket hears another node ten times a second, that is sign enough, and this one is not looked at: a look costs as
much as a frame.

What is in it are the oldest frames since the last look. If that was long ago, because the agent was held up, they say
nothing about now; that the kernel has dropped others since, does: then the bus counts as heard at this look. If it was
long ago because looks were spared, neither says more than the first socket has heard.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Sequence

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.socketcan.reading import Reader
from tcu_agent.adapters.can.socketcan.sockets import RawSocket, dropped_by
from tcu_agent.ports import CanFrame

SAMPLE_S = 0.1
"""How late a sleep or a stale signal may be noticed because of this."""
LATE_S = 0.3
"""A look that finds older frames than this came late."""
_COUNTS = 1 << 32
_MOST_FRAMES = 64
"""There is room for two or three; the number only bounds the loop."""


class SignsOfLife:
    """Hands on one frame of each sample."""

    def __init__(
        self,
        *,
        opened: RawSocket,
        reader: Reader,
        wanted: Collection[FrameKey],
        heard: Callable[[CanFrame, float], None],
    ) -> None:
        """`heard` takes a frame of an identifier that is not `wanted`, and when the bus was heard (CLOCK_BOOTTIME, s).

        It is called for at most one each `SAMPLE_S`, and first in the next turn of the event loop.
        """
        self._opened = opened
        self._number = opened.fileno()
        self._reader = reader
        self._wanted = wanted
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._is_waiting = False
        self._dropped = 0
        """Of the count that the kernel has for this socket, what is in `_frames`."""
        self._frames = 0
        self._stranger: CanFrame | None = None
        self._spared_at = -math.inf
        self._timer = self._loop.call_later(0.0, self._look)

    @property
    def frames(self) -> int:
        """How many frames of the bus were counted, those without room included; asks the kernel."""
        return self._frames + self._new_drops(self._told_drops())

    def spare(self, heard_at: float, *, now: float) -> None:
        """Put the next look off: the first socket has heard another node, at `heard_at` (CLOCK_BOOTTIME, s)."""
        if self._is_waiting or now - heard_at > SAMPLE_S:
            return  # nothing to put off; or read so late that it says nothing about now
        self._spared_at = heard_at
        self._timer.cancel()
        self._timer = self._loop.call_later(SAMPLE_S, self._look)

    def stop(self) -> None:
        """Stop looking, before the socket is closed."""
        self._timer.cancel()
        self._wait(is_waiting=False)

    def catch_up(self) -> None:
        """Look now if it is time, or if the first frame after a silence may be there."""
        if self._loop.time() >= self._timer.when():
            self._timer.cancel()
            self._look()

    def _look(self) -> None:
        batch = self._reader.drain(_MOST_FRAMES)
        dropped = self._count_dropped()
        self._frames += len(batch.frames) + dropped
        self._wait(is_waiting=not batch.frames and batch.error is None)
        if batch.frames:
            self._timer = self._loop.call_later(SAMPLE_S, self._look)
            self._hand_on(batch.frames, is_heard_since=dropped > 0)
        # An error is one of the interface: the main socket gets it too, and both are opened anew.

    def _count_dropped(self) -> int:
        """Return how many found no room since the last look."""
        told = self._told_drops()
        news, self._dropped = self._new_drops(told), told
        return news

    def _told_drops(self) -> int:
        told = dropped_by(self._opened)
        return self._reader.dropped if told is None else told

    def _new_drops(self, told: int) -> int:
        return (told - self._dropped) % _COUNTS

    def _hand_on(self, frames: Sequence[CanFrame], *, is_heard_since: bool) -> None:
        stranger = self._newest_stranger(frames)
        self._stranger = stranger or self._stranger
        heard_at = max(frames[-1].timestamp_s, self._spared_at)
        if is_heard_since and self._stranger and self._reader.now - heard_at > LATE_S:
            self._heard(self._stranger, self._reader.now)
        elif stranger is not None and stranger.timestamp_s >= self._spared_at:
            self._heard(stranger, stranger.timestamp_s)

    def _newest_stranger(self, frames: Sequence[CanFrame]) -> CanFrame | None:
        # What is wanted comes by the main socket, and once is enough: it has counters that must go on.
        for frame in reversed(frames):
            if (frame.arbitration_id, frame.is_extended_id) not in self._wanted:
                return frame
        return None

    def _wait(self, *, is_waiting: bool) -> None:
        if is_waiting and not self._is_waiting:
            self._loop.add_reader(self._number, self._look)
        elif self._is_waiting and not is_waiting:
            self._loop.remove_reader(self._number)
        self._is_waiting = is_waiting
