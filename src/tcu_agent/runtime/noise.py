"""Keeps what anybody can provoke from filling the log: the first line at once, the rest as one count each minute.

Who can publish to the car can make it refuse as many messages as the line carries; who is on its bus can cause events
as fast as it decodes. One line for each would push out of the journal what somebody wants to read there, and wear out
the flash memory that it lies on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tcu_agent.ports import Clock
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.waiting import wait_news

NOISY: Final = frozenset({"refused", "under-way", "event-dropped"})
"""Words of the core that follow from a message, whoever sent it, or from a bus that flickers."""
SUM_S: Final = 60.0
"""How often what was held back is told."""


@dataclass(slots=True)
class _Held:
    """What was said once, and since then so many times more. `until`: CLOCK_BOOTTIME, s."""

    until: float
    more: int = 0


class Noise:
    """One for the agent's life. It holds as much as there are words and reasons, however much arrives."""

    def __init__(self, *, clock: Clock, logbook: Logbook) -> None:
        self._clock = clock
        self._logbook = logbook
        self._held: dict[tuple[str, str], _Held] = {}
        self._news = asyncio.Event()

    def say(self, word: str, fields: Mapping[str, str | int]) -> None:
        """Say it now, or count it for the next sum."""
        key = (word, str(fields.get("reason", fields.get("kind", ""))))
        if (held := self._held.get(key)) is not None:
            held.more += 1
            return
        self._held[key] = _Held(self._clock.boottime() + SUM_S)
        self._logbook.info(word, **fields)
        self._news.set()

    async def run(self) -> None:
        """Tell the sums until cancelled."""
        while True:
            self._news.clear()
            self._tell_due()
            next_at = min((held.until for held in self._held.values()), default=None)
            if next_at is None:
                await self._news.wait()
            else:
                left_s = max(0.0, next_at - self._clock.boottime())
                await wait_news(self._news, clock=self._clock, timeout_s=left_s)

    def _tell_due(self) -> None:
        now = self._clock.boottime()
        for (word, reason), held in list(self._held.items()):
            if now < held.until:
                continue
            if not held.more:
                del self._held[word, reason]
                continue
            self._logbook.info(f"{word}-repeatedly", reason=reason, more=held.more)
            held.until, held.more = now + SUM_S, 0
