"""One CAN bus on the kernel's own sockets. It implements `ports.CanPort`, as `adapters.can.bus` does for all else.

The event loop wakes us; a wake-up drains many frames. The kernel wakes us for the identifiers that the mapping names
and for changes of the controller's state, `pace` puts that off while they come thick, and `life` says whether anything
else is heard. Frames carry the kernel's stamps, and what was dropped is counted: by the kernel when its buffer was
full, here when the agent was too slow (the oldest go: a bus repeats its state, so the newest matter).
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.opening import advice
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.session import Session
from tcu_agent.adapters.can.socketcan.sockets import Sockets, open_sockets
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame

_QUEUE_FRAMES = 16_384
"""About four seconds of a full 500 kbit/s bus."""
_CANNOT_WORK = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EINVAL, errno.EPERM}
"""Opening again later cannot help: the kernel has no CAN, the name is no interface of CAN, or we may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FdMode:
    """How CAN FD frames are sent. `bit_rate_switch`: their data go with the faster bit rate (BRS)."""

    bit_rate_switch: bool = True


class SocketCanBus:
    """Implements `ports.CanPort`."""

    def __init__(
        self,
        *,
        name: str,
        channel: str,
        fd: FdMode | None = None,
        selection: Selection = Selection(),  # noqa: B008 -- frozen
        queue_frames: int = _QUEUE_FRAMES,
        open_them: Callable[[], Sockets] | None = None,
        boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`name`: the bus's name in the mapping. `channel`: the interface. `open_them`: what opens its sockets.

        `fd`: None = classic frames only.
        """
        self._name = name
        self._where = f"CAN bus {name!r} (socketcan {channel})"
        self._open_them = open_them or (
            lambda: open_sockets(channel, fd=fd is not None, selection=selection)
        )
        self._fd = fd or FdMode()
        self._boottime = boottime
        self._wall = wall
        self._queue: deque[CanFrame] = deque(maxlen=queue_frames)
        self._ready = asyncio.Event()
        self._session: Session | None = None
        self._failure: OSError | None = None
        self._counted = BusCounters()

    @property
    def name(self) -> str:
        """Logical name in mapping and configuration."""
        return self._name

    def counters(self) -> BusCounters:
        """Return what was counted so far, over all times that it was open."""
        return self._counted + self._session.counters() if self._session else self._counted

    async def open(self) -> None:
        """Open, or open again.

        Raises:
            CanTransportError: cannot be opened now; `temporary` False = the configuration cannot work.
        """
        await self.close()
        try:
            sockets = self._open_them()
        except OSError as error:
            temporary = error.errno not in _CANNOT_WORK
            what = f"cannot be opened: {error}{advice(error, 'socketcan')}"
            raise self._error(what, temporary=temporary) from error
        self._failure = None
        self._ready.clear()
        self._session = Session(
            sockets=sockets,
            where=self._where,
            bit_rate_switch=self._fd.bit_rate_switch,
            boottime=self._boottime,
            wall=self._wall,
            took=self._take,
            failed=self._fail,
        )

    async def close(self) -> None:
        """Close; never raises."""
        session, self._session = self._session, None
        if session is not None:
            self._counted += session.counters()
            session.close()
        self._ready.set()  # who waits in `receive` shall see it

    async def receive(self) -> Sequence[CanFrame]:
        """Wait for frames and return all that are there, oldest first.

        Raises:
            CanTransportError: the interface is gone or down, or the bus not open; the caller opens it again.
        """
        while not self._queue:
            if self._failure is not None:
                raise self._error(f"cannot be read: {self._failure}")
            if self._session is None:
                raise self._error("is not open")
            self._ready.clear()
            await self._ready.wait()
        frames = list(self._queue)
        self._queue.clear()
        return frames

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Return when the frame is on the bus, waiting at most `timeout_s` for that.

        Raises:
            CanTransportError: not sent, or not seen on the bus (`may_have_happened`).
        """
        if self._session is None:
            raise self._error("is not open")
        await self._session.send(frame, timeout_s=timeout_s)

    def catch_up(self) -> bool:
        """Take what waits in the kernel; return whether there is nothing left to `receive`."""
        if self._session is not None:
            self._session.catch_up()
        return self._session is None or not self._queue

    def _take(self, frames: Sequence[CanFrame]) -> None:
        room = (self._queue.maxlen or 0) - len(self._queue)
        if len(frames) > room:
            self._counted += BusCounters(dropped=len(frames) - room)
        self._queue.extend(frames)
        self._ready.set()

    def _fail(self, error: OSError) -> None:
        self._failure = error  # behind the frames that came before it
        self._ready.set()

    def _error(self, what: str, *, temporary: bool = True) -> CanTransportError:
        return CanTransportError(
            f"{self._where} {what}", may_have_happened=False, temporary=temporary
        )
