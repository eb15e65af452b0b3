"""One CAN bus through python-can, any interface: `virtual`, slcan, SocketCAN and the rest.

A thread of its own reads, since most interfaces can only be asked; it hands frames over in batches through a bounded
queue. When the agent is too slow the oldest frames go, and are counted: a bus repeats its state, so the newest matter.

`receive` never returns a frame that this port sent itself.
"""

from __future__ import annotations

import asyncio
import errno
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import can

from tcu_agent.adapters.can.batches import POLL_S, Batches
from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.opening import advice, close_bus, is_missing_library, open_bus
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame

_QUEUE_FRAMES = 16_384
"""About four seconds of a full 500 kbit/s bus."""
_LOOK_IS_OLD_S = 3 * POLL_S
"""The reader looks at least once in POLL_S, so a look that is older was made before a stop of ours."""
_ROOM_RETRY_S = 0.002
"""Eight frames at 500 kbit/s: the transmit queue of a controller has room again by then."""
_NEVER = (can.CanInterfaceNotImplementedError, ValueError, TypeError)
"""Opening again cannot help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanInterface:
    """Which python-can interface, and how to open it. `options`: further arguments of `can.Bus`.

    `bit_rate_switch`: FD frames are sent with the faster bit rate in their data phase.
    """

    interface: str
    channel: str
    bitrate: int | None = None
    bit_rate_switch: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for `can.Bus`."""
        arguments: dict[str, Any] = {"interface": self.interface, "channel": self.channel}
        if self.bitrate is not None:
            arguments["bitrate"] = self.bitrate
        if self.interface == "slcan":
            # python-can waits 2 s for an Arduino to boot, and polls a thousand times a second.
            is_pty = self.channel.startswith("/dev/pts/")
            arguments |= {"timeout": POLL_S} | ({"sleep_after_open": 0.0} if is_pty else {})
        return arguments | dict(self.options)


class PythonCanBus:
    """Implements `ports.CanPort`."""

    def __init__(
        self,
        *,
        name: str,
        interface: CanInterface,
        selection: Selection = Selection(),  # noqa: B008 -- frozen
        queue_frames: int = _QUEUE_FRAMES,
        boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`name`: the bus's name in the mapping."""
        self._name = name
        self._interface = interface
        self._selection = selection
        self._boottime = boottime
        self._wall = wall
        self._queue_frames = queue_frames
        self._queue: deque[CanFrame] = deque(maxlen=queue_frames)
        self._lock = threading.Lock()
        self._ready = asyncio.Event()
        self._sending = asyncio.Lock()
        self._bus: can.BusABC | None = None
        self._reader: threading.Thread | None = None
        self._stop = threading.Event()
        self._failure: str | None = None
        self._batches: Batches | None = None
        self._asked_at: float | None = None
        self._drained_at = -math.inf
        """What came before is in the queue. Written by the reader's thread, behind the frames."""
        self._counted = BusCounters()
        self._sent = self._dropped = 0

    @property
    def name(self) -> str:
        """Logical name in mapping and configuration."""
        return self._name

    def counters(self) -> BusCounters:
        """Return what was counted so far."""
        reading = self._batches
        counted = self._counted + BusCounters(sent=self._sent, dropped=self._dropped)
        return counted if reading is None else counted + _counted_by(reading)

    async def open(self) -> None:
        """Open, or open again.

        Raises:
            CanTransportError: cannot be opened now; `temporary` False = the configuration cannot work.
        """
        await self.close()
        try:
            self._bus = await open_bus(self._interface.arguments())
        except (*_NEVER, can.CanError, OSError, ImportError, NameError) as error:
            is_for_good = isinstance(error, _NEVER) or is_missing_library(error)
            raise self._cannot_open(error, temporary=not is_for_good) from error
        self._failure = None
        self._ready.clear()
        self._stop = threading.Event()
        self._asked_at, self._drained_at = None, -math.inf
        self._batches = Batches(
            self._bus,
            interface=self._interface.interface,
            selection=self._selection,
            boottime=self._boottime,
            wall=self._wall,
        )
        reading = (self._batches, self._stop, asyncio.get_running_loop())
        self._reader = threading.Thread(
            target=self._read, args=reading, name=f"can-{self._name}", daemon=True
        )
        self._reader.start()

    async def close(self) -> None:
        """Close; never raises."""
        self._stop.set()
        bus, reader, self._bus, self._reader = self._bus, self._reader, None, None
        await close_bus(bus, reader)
        if (batches := self._batches) is not None:
            self._batches = None
            self._counted += _counted_by(batches)
        self._ready.set()  # who waits in `receive` shall see it

    async def receive(self) -> Sequence[CanFrame]:
        """Wait for frames and return all that are there, oldest first.

        Raises:
            CanTransportError: the bus is gone, off, or not open; the caller opens it again after a pause.
        """
        while not self._queue:
            if self._failure is not None or self._bus is None:
                raise self._error(self._failure or "is not open", temporary=True)
            self._ready.clear()
            await self._ready.wait()
        with self._lock:
            frames = list(self._queue)
            self._queue.clear()
        return frames

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Hand one frame to the driver, waiting at most `timeout_s` for room.

        Raises:
            CanTransportError: not taken (`may_have_happened` says whether it may be on the bus all the same).
        """
        deadline = self._boottime() + timeout_s
        message = self._message_of(frame)
        async with self._sending:
            # A suspend, or another frame before this one, may have used the time up.
            while (left_s := deadline - self._boottime()) >= 0:
                if await self._try_to_send(message, left_s):
                    self._sent += 1
                    return
                await asyncio.sleep(_ROOM_RETRY_S)
        raise self._error(f"has no room in its transmit queue for {timeout_s} s", temporary=True)

    def catch_up(self) -> bool:
        """Return whether there is nothing left to `receive`: neither in the queue nor, as far as we can see, before it.

        After a stop of the whole process frames wait in the line, and the reader has not run yet. So the first answer
        is no; yes once the reader has looked after the question, and found nothing.
        """
        if self._bus is None or self._failure is not None:
            return not self._queue
        now, drained_at = self._boottime(), self._drained_at  # before the queue is looked at
        is_answered = self._asked_at is not None and drained_at >= self._asked_at
        if self._queue or (is_answered and now - drained_at <= _LOOK_IS_OLD_S):
            self._asked_at = None
            return not self._queue
        if is_answered or self._asked_at is None:
            self._asked_at = now
        return False

    async def _try_to_send(self, message: can.Message, timeout_s: float) -> bool:
        """Return False when there is no room now."""
        if self._bus is None:
            raise self._error("is not open", temporary=True)
        try:
            await asyncio.to_thread(self._bus.send, message, max(timeout_s, _ROOM_RETRY_S))
        except (can.CanError, OSError, ValueError) as error:
            number = getattr(error, "error_code", None) or getattr(error, "errno", None)
            if number == errno.ENOBUFS:
                return False
            # A serial line may have taken the whole frame, or a part of it, before it failed.
            unsure = self._interface.interface not in {"socketcan", "virtual"}
            raise self._error(
                f"did not take a frame: {error}", temporary=True, may_have_happened=unsure
            ) from error
        return True

    # ------------------------------------------------------------------ the reader's thread

    def _read(
        self, batches: Batches, stop: threading.Event, loop: asyncio.AbstractEventLoop
    ) -> None:
        while not stop.is_set() and self._failure is None:
            batch: list[CanFrame] = []
            failure, is_busy = None, False
            try:
                is_busy = batches.read(batch)
            except Exception as error:  # noqa: BLE001 -- each interface has its own; any of them ends the reading
                failure = f"cannot be read: {error}"
            self._put(batch)
            self._drained_at = batches.drained_at
            self._failure = failure  # behind the frames that came before it
            if batch or failure is not None:
                self._wake(loop)
            if is_busy:
                batches.pause()

    def _put(self, batch: list[CanFrame]) -> None:
        with self._lock:
            self._dropped += max(0, len(self._queue) + len(batch) - self._queue_frames)
            self._queue.extend(batch)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop has ended; so will this thread
            self._stop.set()

    def _message_of(self, frame: CanFrame) -> can.Message:
        return can.Message(
            arbitration_id=frame.arbitration_id,
            data=frame.data,
            is_extended_id=frame.is_extended_id,
            is_fd=frame.is_fd,
            bitrate_switch=frame.is_fd and self._interface.bit_rate_switch,
            is_remote_frame=frame.is_remote_frame,
            check=True,
        )

    def _cannot_open(self, error: Exception, *, temporary: bool) -> CanTransportError:
        hint = advice(error, self._interface.interface)
        return self._error(f"cannot be opened: {error}{hint}", temporary=temporary)

    def _error(
        self, what: str, *, temporary: bool, may_have_happened: bool = False
    ) -> CanTransportError:
        where = f"CAN bus {self._name!r} ({self._interface.interface} {self._interface.channel})"
        return CanTransportError(
            f"{where} {what}", may_have_happened=may_have_happened, temporary=temporary
        )


def _counted_by(reading: Batches) -> BusCounters:
    return BusCounters(
        received=reading.received,
        malformed=reading.malformed,
        on_bus=reading.on_bus,
        overruns=reading.overruns,
    )
