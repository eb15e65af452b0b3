"""The same bus, faults and counters for nodes in one event loop, also a simulated one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from random import Random

from tcu_sim.bus.frame import Frame
from tcu_sim.bus.router import LinkCounters, Router
from tcu_sim.bus.wire import Wire


class InProcessNode:
    """One node: `send` and `receive`, as every bus the simulator's runners take."""

    def __init__(self, *, name: str, router: Router, queue_frames: int) -> None:
        self.name = name
        self.counters = LinkCounters()
        self._router = router
        self._queue_frames = queue_frames
        self._received: deque[Frame] = deque()
        self._has_frames = asyncio.Event()

    def deliver(self, frame: Frame) -> None:
        """Called by the router."""
        if len(self._received) >= self._queue_frames:
            self.counters.lost_slow_reader += 1
            return
        self.counters.delivered += 1
        self._received.append(frame)
        self._has_frames.set()

    def resume(self) -> None:
        """Nothing waits here: what a node in the same loop sends is queued by the wire."""

    async def send(self, frame: Frame) -> None:
        """Give a frame to all other nodes."""
        self._router.submit(self.name, frame)

    async def receive(self) -> Sequence[Frame]:
        """Wait for frames and return all that are there, oldest first."""
        await self._has_frames.wait()
        frames = tuple(self._received)
        self._received.clear()
        self._has_frames.clear()
        return frames


class InProcessBus:
    """A bus with named nodes; make it inside the running loop."""

    def __init__(self, names: Iterable[str], *, seed: int = 0, wire: Wire | None = None) -> None:
        self.router = Router(rng=Random(seed), wire=wire)
        self.nodes = {
            name: InProcessNode(name=name, router=self.router, queue_frames=65536) for name in names
        }
        for node in self.nodes.values():
            self.router.attach(node)
