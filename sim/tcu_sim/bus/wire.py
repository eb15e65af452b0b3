"""The time frames take on the bus, and who goes first: arbitration. No I/O, time is an argument.

Each node has a queue of frames it wants to send, in its own order. When the wire falls free, the
heads of all queues that were there by then compete and the lowest identifier wins; the others wait.
So no node's own frames are reordered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tcu_sim.bus.frame import BitRate, Frame


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame at its node, ready to be sent since `since_s`."""

    since_s: float
    frame: Frame


@dataclass(frozen=True, slots=True)
class Transmission:
    """A frame on the wire until `end_s`."""

    sender: str
    frame: Frame
    end_s: float


class Wire:
    """One bus segment at a bit rate; holds at most `queue_frames` waiting frames a node."""

    def __init__(self, *, bit_rate: BitRate, queue_frames: int) -> None:
        self._bit_rate = bit_rate
        self._queue_frames = queue_frames
        self._queues: dict[str, deque[Waiting]] = {}
        self._current: Transmission | None = None
        self._free_from_s = 0.0
        self.busy_s = 0.0
        """How long the wire has been occupied, for the bus load."""

    def submit(self, sender: str, frame: Frame, *, now: float) -> None:
        """Queue a frame. The caller stops taking frames from a node that `is_full`."""
        self._queues.setdefault(sender, deque()).append(Waiting(now, frame))

    def is_full(self, sender: str) -> bool:
        """Whether this node has to wait, as behind a full transmit buffer."""
        return len(self._queues.get(sender, ())) >= self._queue_frames

    def forget(self, sender: str) -> None:
        """The node is gone, and its waiting frames with it."""
        self._queues.pop(sender, None)

    def next_deadline(self) -> float | None:
        """Return when the frame on the wire is complete; None while nothing is on its way."""
        self._start_next()
        return None if self._current is None else self._current.end_s

    def advance(self, now: float) -> list[Transmission]:
        """Return all frames that were complete by `now`, in the order in which they were sent."""
        done: list[Transmission] = []
        self._start_next()
        while self._current is not None and self._current.end_s <= now:
            done.append(self._current)
            self._current = None
            self._start_next()
        return done

    def _start_next(self) -> None:
        heads = [(queue[0], sender) for sender, queue in self._queues.items() if queue]
        if self._current is not None or not heads:
            return
        start_s = max(self._free_from_s, min(waiting.since_s for waiting, _ in heads))
        competing = [head for head in heads if head[0].since_s <= start_s]
        _, sender = min(competing, key=lambda head: head[0].frame.arbitration_key)
        frame = self._queues[sender].popleft().frame
        duration_s = self._bit_rate.duration_s(frame)
        self._free_from_s = start_s + duration_s
        self.busy_s += duration_s
        self._current = Transmission(sender, frame, self._free_from_s)
