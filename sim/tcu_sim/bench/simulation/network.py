"""A network that loses, delays, repeats and reorders, by lots that are drawn from the run's seed alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

COPY_LATER_S = (0.0, 0.1, 2.0, 30.0)


class Network:
    """What lies between the centre and the broker, both ways. Quiet, it passes everything at once."""

    def __init__(self, rng: Random) -> None:
        self.loss = 0.0
        """Share of messages that get lost."""
        self.copies = 0.0
        """Share of messages that come twice."""
        self.delay_s = 0.0
        """Most time that a message is held up; messages held up differently overtake each other."""
        self._rng = rng
        self._under_way: dict[int, tuple[asyncio.TimerHandle, Callable[[], None]]] = {}
        self._number = 0

    def carry(self, deliver: Callable[[], None]) -> None:
        """Deliver one message: never, now, later, or more than once."""
        if self._rng.random() < self.loss:
            return
        self._deliver(deliver, self._rng.uniform(0.0, self.delay_s) if self.delay_s else 0.0)
        if self._rng.random() < self.copies:
            self._deliver(deliver, self._rng.choice(COPY_LATER_S))

    def calm(self) -> None:
        """Be a good network from now on, and deliver at once what was held up."""
        self.loss = self.copies = self.delay_s = 0.0
        waiting, self._under_way = self._under_way, {}
        for timer, deliver in waiting.values():
            timer.cancel()
            deliver()

    def _deliver(self, deliver: Callable[[], None], delay_s: float) -> None:
        if not delay_s:
            deliver()
            return
        self._number += 1
        number = self._number
        timer = asyncio.get_running_loop().call_later(delay_s, self._arrive, number)
        self._under_way[number] = (timer, deliver)

    def _arrive(self, number: int) -> None:
        _, deliver = self._under_way.pop(number)
        deliver()
