"""A node that should not be there: floods the bus with one identifier, or puts in single frames."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tcu_sim.bus.frame import Frame


@dataclass(frozen=True, slots=True)
class Babble:
    """A flood: so many frames a second with random content, until a time."""

    arbitration_id: int
    every_s: float
    until_s: float


class Babbler:
    """Sends what it is told, and hears nothing."""

    def __init__(self, *, rng: Random) -> None:
        self._rng = rng
        self._babble: Babble | None = None
        self._next_s = 0.0
        self._single: list[Frame] = []
        self._single_since_s = 0.0

    def start(self, arbitration_id: int, *, frames_per_s: float, for_s: float, now: float) -> None:
        """Flood the bus for some seconds."""
        self._babble = Babble(arbitration_id, 1.0 / frames_per_s, now + for_s)
        self._next_s = now

    def stop(self) -> None:
        """End the flood."""
        self._babble = None

    def put(self, frame: Frame, *, now: float) -> None:
        """Send one frame at once, such as a recorded command."""
        self._single.append(frame)
        self._single_since_s = now

    def receive(self, frame: Frame, now: float) -> list[Frame]:
        """Hear nothing."""
        del frame, now
        return []

    def handle_timer(self, now: float) -> list[Frame]:
        """Return what is due."""
        frames, self._single = self._single, []
        while self._babble is not None and self._next_s <= now:
            if self._next_s >= self._babble.until_s:
                self._babble = None
                break
            frames.append(
                Frame(arbitration_id=self._babble.arbitration_id, data=self._rng.randbytes(8))
            )
            self._next_s += self._babble.every_s
        return frames

    def next_deadline(self) -> float | None:
        """Return when the next frame is due."""
        deadlines = [self._single_since_s] if self._single else []
        if self._babble is not None:
            deadlines.append(self._next_s)
        return min(deadlines, default=None)
