"""Passes each frame on to every node but its sender, through the faults of both links, and counts.

The same router serves the hub's pseudo terminals and nodes that live in one event loop
(`in_process`). Time comes from the running loop alone, so it also runs on simulated time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from random import Random
from typing import Any, Protocol

from tcu_sim.bus.faults import FaultCounters, LinkFaults, Passage, pass_through
from tcu_sim.bus.frame import Frame
from tcu_sim.bus.wire import Wire


@dataclass(slots=True)
class LinkCounters:
    """What has gone over one node's link.

    `lost_slow_reader`: dropped because the node did not read in time.
    """

    sent: int = 0
    delivered: int = 0
    lost_slow_reader: int = 0
    garbage: int = 0
    hang_ups: int = 0
    faults: FaultCounters = field(default_factory=FaultCounters)


class Link(Protocol):
    """The way to one node."""

    @property
    def name(self) -> str:
        """The node's name."""

    @property
    def counters(self) -> LinkCounters:
        """Its counters; the router adds to them."""

    def deliver(self, frame: Frame) -> None:
        """Take a frame for the node; drops and counts it when the node reads too slowly.

        Never blocks or raises.
        """

    def resume(self) -> None:
        """There is room again for frames of this node."""


class Router:
    """The bus itself."""

    def __init__(self, *, rng: Random, wire: Wire | None = None) -> None:
        """`wire` None = frames take no time; `rng` decides about faults, nothing else."""
        self.links: dict[str, Link] = {}
        self.faults: dict[str, LinkFaults] = {}
        self.frames = 0
        self._rng = rng
        self._wire = wire
        self._wire_timer: asyncio.TimerHandle | None = None
        self._delayed: set[asyncio.TimerHandle] = set()

    def attach(self, link: Link) -> None:
        """Add a node; its name must be new."""
        if link.name in self.links:
            raise ValueError(f"two nodes called {link.name}")
        self.links[link.name] = link
        self.faults[link.name] = LinkFaults()

    def submit(self, sender: str, frame: Frame) -> None:
        """Take a frame that a node sends."""
        self.links[sender].counters.sent += 1
        for passage in self._cross(sender, frame):
            self._later(passage.after_s, partial(self._transmit, sender, passage.frame))

    def is_full(self, sender: str) -> bool:
        """Whether the node's transmit buffer is full: take no more until `Link.resume`."""
        return self._wire is not None and self._wire.is_full(sender)

    def forget_waiting(self, sender: str) -> None:
        """The node has gone away: what it has not yet sent is lost."""
        if self._wire is not None:
            self._wire.forget(sender)

    def statistics(self) -> dict[str, Any]:
        """Return all counters, ready for JSON."""
        nodes = {
            name: asdict(link.counters) | {"cut": self.faults[name].is_cut}
            for name, link in self.links.items()
        }
        busy_s = None if self._wire is None else round(self._wire.busy_s, 6)
        return {"frames": self.frames, "busy_s": busy_s, "nodes": nodes}

    def close(self) -> None:
        """Cancel every timer."""
        for timer in (*self._delayed, *([self._wire_timer] if self._wire_timer else [])):
            timer.cancel()
        self._delayed.clear()

    def _cross(self, name: str, frame: Frame) -> list[Passage]:
        counters = self.links[name].counters.faults
        return pass_through(frame, self.faults[name], counters=counters, rng=self._rng)

    def _later(self, after_s: float, act: Callable[[], None]) -> None:
        if after_s <= 0.0:
            act()
            return

        def due() -> None:
            self._delayed.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(after_s, due)
        self._delayed.add(timer)

    def _transmit(self, sender: str, frame: Frame) -> None:
        if self._wire is None:
            self._broadcast(sender, frame)
            return
        self._wire.submit(sender, frame, now=asyncio.get_running_loop().time())
        self._advance_wire()

    def _advance_wire(self) -> None:
        """Deliver what is complete and come back when the next frame is."""
        if self._wire is None:
            return
        loop = asyncio.get_running_loop()
        for done in self._wire.advance(loop.time()):
            self._broadcast(done.sender, done.frame)
            self.links[done.sender].resume()
        if self._wire_timer is not None:
            self._wire_timer.cancel()
        deadline = self._wire.next_deadline()
        self._wire_timer = None if deadline is None else loop.call_at(deadline, self._advance_wire)

    def _broadcast(self, sender: str, frame: Frame) -> None:
        self.frames += 1
        for name, link in self.links.items():
            if name == sender:
                continue
            for passage in self._cross(name, frame):
                self._later(passage.after_s, partial(link.deliver, passage.frame))
