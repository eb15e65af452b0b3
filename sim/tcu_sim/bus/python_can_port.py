"""A python-can bus for asyncio: `await receive()` and `await send()`, as the simulator's runners take them.

Interfaces with a file descriptor (slcan, socketcan) are read when the event loop says that something is there: waiting
costs nothing. slcan is opened with its own time-outs at zero: python-can would sleep 2 s when opening and 1 ms in each
empty read. `virtual` has no descriptor and is read by a thread.
"""

from __future__ import annotations

import asyncio
import errno
import termios
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import can

from tcu_sim.bus.frame import Frame
from tcu_sim.bus.socketcan import enlarge_receive_buffer
from tcu_sim.errors import BusUnreachable

QUEUE_FRAMES: Final = 65536
SEND_TIMEOUT_S: Final = 1.0
NO_BUS_HINT: Final = "; start `tcu-sim bus` first, it makes the channels"
GONE_HINT: Final = " (has `tcu-sim bus` ended? start it, then this again)"
ROOM_ATTEMPTS: Final = 200
"""How often a full transmit queue of SocketCAN is tried again, 5 ms apart: one second."""


MOST_FAILED_WRITES: Final = 20
"""In a row, about a cycle of all messages. One is a node that just hung up, or a pseudo terminal that was full."""

FAILURES: Final = (can.CanError, OSError, ValueError, termios.error)
"""What python-can lets through from pyserial and the kernel when a channel goes away under it."""


class PythonCanPort:
    """One open bus; make it inside the running loop."""

    def __init__(self, *, interface: str, channel: str, bitrate: int | None = None) -> None:
        """Open the bus.

        Raises:
            BusUnreachable: python-can cannot open it.
        """
        self.lost = 0
        """Frames that the interface did not take, or that nobody fetched in time."""
        self._name = f"{interface}:{channel}"
        self._bus = _opened(interface, channel, bitrate)
        self._loop = asyncio.get_running_loop()
        self._received: deque[Frame] = deque(maxlen=QUEUE_FRAMES)
        self._news = asyncio.Event()
        self._failure: str | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._failed_writes = 0
        self._start_reading()

    async def receive(self) -> Sequence[Frame]:
        """Wait for frames and return all that are there, oldest first.

        Raises:
            BusUnreachable: the bus is gone.
        """
        await self._news.wait()
        self._news.clear()
        frames = tuple(self._received)
        self._received.clear()
        if not frames and self._failure is not None:
            self._news.set()
            raise BusUnreachable(self._failure)
        return frames

    async def send(self, frame: Frame) -> None:
        """Send one frame; a bus that has no room for a second loses it, and so does a write that fails now and then.

        Raises:
            BusUnreachable: the bus is gone, or nothing could be written for a while.
        """
        message = _message(frame)
        for _ in range(ROOM_ATTEMPTS):
            try:
                self._bus.send(message, SEND_TIMEOUT_S)
            except FAILURES as error:
                if getattr(error, "error_code", None) != errno.ENOBUFS:
                    self._failed_writes += 1
                    if self._failed_writes >= MOST_FAILED_WRITES:
                        raise BusUnreachable(self._gone("sending", error)) from error
                    break
                await asyncio.sleep(0.005)
            else:
                self._failed_writes = 0
                return
        self.lost += 1

    def close(self) -> None:
        """Close the bus."""
        self._is_closed = True
        if self._thread is not None:
            self._thread.join()
        else:
            with suppress(*FAILURES):
                self._loop.remove_reader(self._bus.fileno())
        with suppress(*FAILURES):
            self._bus.shutdown()

    def _start_reading(self) -> None:
        try:
            self._loop.add_reader(self._bus.fileno(), self._read)
        except NotImplementedError:
            self._thread = threading.Thread(target=self._poll, name="can-reader", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        """Take all that is there; python-can's None may also be half a line or an answer, the rest comes again."""
        try:
            while (message := self._bus.recv(0)) is not None:
                self._keep(message)
        except FAILURES as error:
            self._loop.remove_reader(self._bus.fileno())
            self._fail(self._gone("receiving", error))

    def _poll(self) -> None:
        while not self._is_closed:
            try:
                message = self._bus.recv(0.05)
            except FAILURES as error:
                self._loop.call_soon_threadsafe(self._fail, self._gone("receiving", error))
                return
            if message is not None:
                self._loop.call_soon_threadsafe(self._keep, message)

    def _keep(self, message: can.Message) -> None:
        if message.is_error_frame:
            return
        self.lost += len(self._received) == QUEUE_FRAMES
        self._received.append(_frame(message))
        self._news.set()

    def _gone(self, doing: str, error: Exception) -> str:
        return f"{self._name}: {doing} failed: {error}{GONE_HINT}"

    def _fail(self, what: str) -> None:
        self._failure = what
        self._news.set()


def _opened(interface: str, channel: str, bitrate: int | None) -> can.BusABC:
    options: dict[str, Any] = {} if bitrate is None else {"bitrate": bitrate}
    if interface == "slcan":
        options |= {"sleep_after_open": 0, "timeout": 0}
    try:
        bus = can.Bus(interface=interface, channel=channel, **options)
    except (can.CanError, OSError, ValueError, ImportError) as error:
        hint = "" if interface != "slcan" or Path(channel).exists() else NO_BUS_HINT
        raise BusUnreachable(f"{interface}:{channel}: cannot be opened: {error}{hint}") from error
    enlarge_receive_buffer(bus)
    return bus


def _frame(message: can.Message) -> Frame:
    return Frame(
        arbitration_id=message.arbitration_id,
        data=bytes(message.data),
        is_extended_id=message.is_extended_id,
        is_fd=message.is_fd,
        bitrate_switch=message.bitrate_switch,
        remote_dlc=message.dlc if message.is_remote_frame else None,
    )


def _message(frame: Frame) -> can.Message:
    return can.Message(
        arbitration_id=frame.arbitration_id,
        data=None if frame.remote_dlc is not None else frame.data,
        dlc=frame.remote_dlc,
        is_extended_id=frame.is_extended_id,
        is_fd=frame.is_fd,
        bitrate_switch=frame.bitrate_switch,
        is_remote_frame=frame.remote_dlc is not None,
    )
