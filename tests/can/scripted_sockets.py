"""Stand-ins for the kernel's CAN sockets: a descriptor that becomes readable, what it brings, and what it refuses.

They pass on what a kernel would: frames of others and echoes of our own with their stamps, counts of what was dropped,
and errors. What they do not do, the kernel does in `tests/socketcan`.
"""

from __future__ import annotations

import errno
import os
import queue
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.frames import pack, unpack
from tcu_agent.adapters.can.socketcan.sockets import SO_RXQ_OVFL, SO_TIMESTAMPNS_NEW, Sockets
from tcu_agent.ports import CanFrame

Ancillary = list[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Arrival:
    raw: bytes
    flags: int = 0
    ancillary: Ancillary = field(default_factory=list)
    error: int | None = None


class ScriptedSocket:
    """One socket. `refusals`: what the next sends raise. `echoes`: whether what is sent comes back at once."""

    def __init__(self, *, sent: queue.Queue[CanFrame] | None = None, echoes: bool = True) -> None:
        self.sent: queue.Queue[CanFrame] = queue.Queue() if sent is None else sent
        self.echoes = echoes
        self.refusals: deque[OSError] = deque()
        self.is_closed = False
        self.dropped = 0
        """All in all, as the kernel says when it is asked."""
        self._arrivals: deque[Arrival] = deque()
        self._near, self._far = os.pipe()
        os.set_blocking(self._near, False)

    def arrive(
        self,
        frame: CanFrame | bytes,
        *,
        wall: float | None = None,
        is_own: bool = False,
        is_of_host: bool = False,
        dropped: int | None = None,
    ) -> None:
        """Let a frame come in, stamped with the wall clock's time; `dropped`: all in all, before it.

        `is_own`: sent by this socket. `is_of_host`: by another one of this host, maybe closed meanwhile.
        """
        raw = frame if isinstance(frame, bytes) else error_or_data(frame)
        nanoseconds = time.time_ns() if wall is None else round(wall * 1e9)
        stamp = struct.pack("=qq", *divmod(nanoseconds, 1_000_000_000))
        ancillary = [(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW, stamp)]
        if dropped is not None:
            self.dropped = dropped
            ancillary.append((socket.SOL_SOCKET, SO_RXQ_OVFL, struct.pack("=I", dropped)))
        flags = socket.MSG_CONFIRM if is_own else 0
        flags |= socket.MSG_DONTROUTE if is_own or is_of_host else 0
        self._push(Arrival(raw, flags, ancillary))

    def fail(self, number: int) -> None:
        """Let the next read fail."""
        self._push(Arrival(b"", error=number))

    def echo(self, frame: CanFrame) -> None:
        """Say that one of ours is on the bus."""
        self.arrive(pack(frame), is_own=True)

    def _push(self, arrival: Arrival) -> None:
        self._arrivals.append(arrival)
        os.write(self._far, b"!")

    # ------------------------------------------------------------------ what the port sees

    def fileno(self) -> int:
        return self._near

    def recvmsg(self, _bufsize: int, _ancbufsize: int, /) -> tuple[bytes, Ancillary, int, object]:
        os.read(self._near, 1)
        arrival = self._arrivals.popleft()
        if arrival.error is not None:
            raise OSError(arrival.error, os.strerror(arrival.error))
        return arrival.raw, arrival.ancillary, arrival.flags, None

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        if (level, option) != (socket.SOL_SOCKET, 55):  # SO_MEMINFO
            raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
        return struct.pack("=9I", *bytes(8), self.dropped)[:size]

    def send(self, data: bytes, /) -> int:
        if self.refusals:
            raise self.refusals.popleft()
        frame = unpack(data, 0.0)
        assert frame is not None
        self.sent.put(frame)
        if self.echoes:
            self.echo(frame)
        return len(data)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._near)
            os.close(self._far)


@dataclass(slots=True)
class ScriptedController:
    """`running`: the flag; `off`: the state, None = there is none; `count`: frames sent, None = nobody counts.

    `count_of`: asked for it instead.
    """

    running: bool = True
    off: bool | None = None
    count: int | None = None
    count_of: Callable[[], int] | None = None
    error: OSError | None = None

    def is_running(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.running

    def is_off(self) -> bool:
        return not self.is_running() if self.off is None else self.off

    def sent(self) -> int | None:
        return self.count if self.count_of is None else self.count_of()


def scripted_sockets(
    main: ScriptedSocket,
    *,
    life: ScriptedSocket | None = None,
    selection: Selection | None = None,
    controller: ScriptedController | None = None,
    is_off: bool = False,
    buffer_bytes: int = 0,
) -> Sockets:
    return Sockets(
        main=main,
        life=life,
        selection=selection or Selection(),
        controller=controller or ScriptedController(),
        is_off=is_off,
        buffer_bytes=buffer_bytes,
    )


def error_or_data(frame: CanFrame) -> bytes:
    """The bytes of a frame; also of an error frame, which nobody can send."""
    if not frame.is_error_frame:
        return pack(frame)
    return struct.pack("=IBxxx8s", frame.arbitration_id | 0x2000_0000, len(frame.data), frame.data)
