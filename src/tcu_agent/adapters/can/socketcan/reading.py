"""Drains a CAN socket: many frames for each time that the event loop wakes us."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass

from tcu_agent.adapters.can.socketcan.frames import FD_BYTES, unpack
from tcu_agent.adapters.can.socketcan.sockets import SO_RXQ_OVFL, SO_TIMESTAMPNS_NEW, RawSocket
from tcu_agent.adapters.can.socketcan.stamps import StampClock
from tcu_agent.ports import CanFrame

_ANCILLARY_BYTES = socket.CMSG_SPACE(16) + socket.CMSG_SPACE(4)
_COUNT_BYTES = 4
_OF_OURS = int(socket.MSG_CONFIRM)
"""A plain number: Python looks up each result of an operation with its own constant, which costs more than a frame."""
_OVERFLOWS = 1 << 32


@dataclass(frozen=True, slots=True)
class Batch:
    """What one drain found. `error`: why reading ended, if not because nothing is left (`is_emptied`) or it was enough.

    `echoes`: our own frames, which are on the bus now.
    """

    frames: list[CanFrame]
    echoes: list[CanFrame]
    error: OSError | None
    is_emptied: bool


class Reader:
    """Reads one socket."""

    def __init__(self, opened: RawSocket, clock: StampClock) -> None:
        self._receive = opened.recvmsg
        self._clock = clock
        self._overflows = 0
        self.dropped = 0
        """Frames that the kernel dropped because the socket was full."""
        self.malformed = 0

    @property
    def now(self) -> float:
        """CLOCK_BOOTTIME at the last drain, s."""
        return self._clock.now

    def drain(self, most: int) -> Batch:
        """Take what is there, at most `most` frames, oldest first; never raises."""
        found, error = self._take(most)
        is_emptied = len(found) < most and error is None
        self._clock.look(is_emptied=is_emptied)
        frames: list[CanFrame] = []
        echoes: list[CanFrame] = []
        boottime_of, now = self._clock.boottime_of, self._clock.now
        for raw, ancillary, flags, _ in found:
            at = now
            for _level, kind, content in ancillary:
                if kind == SO_TIMESTAMPNS_NEW:
                    at = boottime_of(content)
                elif kind == SO_RXQ_OVFL:
                    self._count_dropped(content)
            frame = unpack(raw, at)
            if frame is None:
                self.malformed += 1
            elif flags & _OF_OURS:
                echoes.append(frame)
            else:
                frames.append(frame)
        return Batch(frames, echoes, error, is_emptied)

    def _take(
        self, most: int
    ) -> tuple[list[tuple[bytes, list[tuple[int, int, bytes]], int, object]], OSError | None]:
        found = []
        receive = self._receive
        try:
            for _ in range(most):
                found.append(receive(FD_BYTES, _ANCILLARY_BYTES))  # noqa: PERF401 -- what came before an error counts
        except (BlockingIOError, InterruptedError):
            return found, None
        except OSError as error:
            return found, error
        return found, None

    def _count_dropped(self, content: bytes) -> None:
        total = int.from_bytes(content[:_COUNT_BYTES], sys.byteorder)
        self.dropped += (total - self._overflows) % _OVERFLOWS
        self._overflows = total
