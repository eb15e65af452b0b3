"""A CAN bus in memory: every port hears what another one sends; tests take it down and up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame, Clock

QUEUE_FRAMES = 4096
"""Frames a port holds for a late reader; then the oldest go and are counted, as in a kernel."""


class InMemoryBus:
    """One bus. Frames carry the clock's CLOCK_BOOTTIME as their timestamp."""

    def __init__(self, *, name: str, clock: Clock) -> None:
        self.name = name
        self.sent: list[CanFrame] = []
        """Every frame that was on the bus, oldest first."""
        self._clock = clock
        self._ports: list[InMemoryCanPort] = []

    def port(self) -> InMemoryCanPort:
        """Return a new node's connection, to be opened by the node."""
        port = InMemoryCanPort(bus=self)
        self.attach(port)
        return port

    def attach(self, port: InMemoryCanPort) -> None:
        """Take in a port that somebody else has made, such as one with faults of its own."""
        self._ports.append(port)

    def put(self, frame: CanFrame, *, sender: InMemoryCanPort | None = None) -> None:
        """Put a frame on the bus; all nodes but the sender hear it."""
        stamped = CanFrame(
            frame.arbitration_id,
            frame.data,
            frame.is_extended_id,
            frame.is_fd,
            frame.is_error_frame,
            frame.is_remote_frame,
            self._clock.boottime(),
        )
        self.sent.append(stamped)
        for port in self._ports:
            if port is not sender:
                port.hear(stamped)


class InMemoryCanPort:
    """The agent's `CanPort` on an `InMemoryBus`, with faults set by attribute."""

    def __init__(self, *, bus: InMemoryBus) -> None:
        self.refuses_open = False
        """`open` fails while True."""
        self.is_full = False
        """The transmit queue has no room while True."""
        self.failing_sends = 0
        """So many of the next sends fail ..."""
        self.send_may_have_happened = False
        """... after the frame got on the bus all the same, if True."""
        self.dropped = 0
        """Frames lost because nobody read them."""
        self._bus = bus
        self._heard: deque[CanFrame] = deque(maxlen=QUEUE_FRAMES)
        self._news = asyncio.Event()
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether the agent hears the bus."""
        return self._is_open

    @property
    def name(self) -> str:
        """Logical name of the bus."""
        return self._bus.name

    async def open(self) -> None:
        """Open, or open again; what was heard before is gone."""
        if self.refuses_open:
            raise _failure("the bus is not there")
        self._heard.clear()
        self._news.clear()
        self._is_open = True

    async def close(self) -> None:
        """Close; a waiting `receive` fails."""
        self.lose()

    async def receive(self) -> Sequence[CanFrame]:
        """Wait for frames and return all that are there."""
        await self._news.wait()
        if not self._is_open:
            raise _failure("the bus is gone")
        self._news.clear()
        frames = tuple(self._heard)
        self._heard.clear()
        return frames

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Put one frame on the bus; on a full one, wait for `timeout_s` and fail."""
        if not self._is_open:
            raise _failure("the bus is not open")
        if self.is_full:
            await asyncio.sleep(timeout_s)
            raise _failure("no room in the transmit queue")
        if self.failing_sends > 0:
            self.failing_sends -= 1
            if self.send_may_have_happened:
                self._bus.put(frame, sender=self)
            raise _failure("the frame was not taken", may_have_happened=self.send_may_have_happened)
        self._bus.put(frame, sender=self)
        await asyncio.sleep(0)

    async def burst(self, frames: Sequence[CanFrame]) -> None:
        """Put frames on the bus that all nodes find together when they look.

        Raises:
            CanTransportError: the bus is not open.
        """
        if not self._is_open:
            raise _failure("the bus is not open")
        for frame in frames:
            self._bus.put(frame, sender=self)
        await asyncio.sleep(0)

    def hear(self, frame: CanFrame) -> None:
        """Take a frame off the bus, if open."""
        if self._is_open:
            self.dropped += len(self._heard) == QUEUE_FRAMES
            self._heard.append(frame)
            self._news.set()

    def lose(self) -> None:
        """Lose the bus: a waiting `receive` fails, sends fail until it is opened again."""
        self._is_open = False
        self._news.set()


def _failure(detail: str, *, may_have_happened: bool = False) -> CanTransportError:
    return CanTransportError(detail, may_have_happened=may_have_happened, temporary=True)
