"""Signs of life of a bus of which we only listen to some identifiers.

Whether a silent signal is stale or the whole bus asleep depends on whether *anything* is heard. So a second socket
takes every identifier, and has room for two frames: it is looked at ten times a second while the bus lives, and wakes
us by its first frame when it was silent. What finds no room costs the kernel next to nothing, and us nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.socketcan.reading import Reader
from tcu_agent.adapters.can.socketcan.sockets import RawSocket
from tcu_agent.ports import CanFrame

SAMPLE_S = 0.1
"""How late a sleep or a stale signal may be noticed because of this."""
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
        heard: Callable[[CanFrame], None],
    ) -> None:
        """`heard` takes a frame of an identifier that is not `wanted`, at most one each `SAMPLE_S`."""
        self._number = opened.fileno()
        self._reader = reader
        self._wanted = wanted
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = False
        self.frames = 0
        """How many frames of the bus were counted, those without room included."""
        self._look()

    def stop(self) -> None:
        """Stop looking, before the socket is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._wait(is_waiting=False)

    def _look(self) -> None:
        before = self._reader.dropped
        batch = self._reader.drain(_MOST_FRAMES)
        self.frames += len(batch.frames) + self._reader.dropped - before
        self._wait(is_waiting=not batch.frames and batch.error is None)
        if batch.frames:
            self._timer = self._loop.call_later(SAMPLE_S, self._look)
            self._hand_on(batch.frames)
        # An error is one of the interface: the main socket gets it too, and both are opened anew.

    def _hand_on(self, frames: Sequence[CanFrame]) -> None:
        # What is wanted comes by the main socket, and once is enough: it has counters that must go on.
        for frame in reversed(frames):
            if (frame.arbitration_id, frame.is_extended_id) not in self._wanted:
                self._heard(frame)
                return

    def _wait(self, *, is_waiting: bool) -> None:
        if is_waiting and not self._is_waiting:
            self._loop.add_reader(self._number, self._look)
        elif self._is_waiting and not is_waiting:
            self._loop.remove_reader(self._number)
        self._is_waiting = is_waiting
