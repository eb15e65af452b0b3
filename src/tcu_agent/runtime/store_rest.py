"""Lets the store put itself in order soon after it was written to: nothing that matters waits for it.

Between two events and never between two effects, so that it cannot come between an intent and its command. It is the
write-ahead log that is emptied then: docs/adr/0014. Who wrote does not matter, and nothing but a write counts: what a
stranger sends must not put it off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tcu_agent.core.durable import records
from tcu_agent.errors import StorageError
from tcu_agent.ports import StatePort
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.waiting import wait_news

QUIET_S: Final = 1.0
"""Nothing was written for so long: a burst of events is over, and a PIN is not yet entered."""
LATEST_S: Final = 5.0
"""After the first write that waits; also how long a rest that failed is not tried again."""
AT_ONCE: Final = frozenset({records.TRUST, records.ACCOUNT})
"""Whom to believe, and whose the car is: no command waits behind these, and none should rest on what could be lost."""

Between = Callable[[Callable[[], None]], Awaitable[None]]
"""`runtime.pump.Pump.put_between`."""


class StoreRest:
    """One for the agent's life. Times: CLOCK_BOOTTIME, s."""

    def __init__(self, *, state: StatePort, between: Between, around: Surroundings) -> None:
        self._state = state
        self._between = between
        self._around = around
        self._first_at: float | None = None
        self._last_at = 0.0
        self._is_urgent = False
        self._is_asked_for = False
        self._not_before = 0.0
        self._news = asyncio.Event()
        state.watch(self._committed)
        if state.needs_rest:  # opened on a full disk
            self._committed(frozenset())

    async def run(self) -> None:
        """Ask for a rest whenever one is due, until cancelled."""
        while True:
            self._news.clear()
            left_s = self._left_s()
            if left_s is None:
                await self._news.wait()
            elif left_s > 0:
                await wait_news(self._news, clock=self._around.clock, timeout_s=left_s)
            else:
                self._is_asked_for = True
                await self._between(self._rest)

    def _committed(self, keys: frozenset[str]) -> None:
        self._last_at = self._around.clock.boottime()
        self._is_urgent = self._is_urgent or not AT_ONCE.isdisjoint(keys)
        if self._first_at is None:
            self._first_at = self._last_at
        elif not self._is_urgent:
            return  # it puts a rest off at most: whoever waits for that looks again when the time is over
        self._news.set()

    def _left_s(self) -> float | None:
        """Return how long to wait; None = for news."""
        if self._first_at is None or self._is_asked_for:
            return None
        due_at = min(self._last_at + QUIET_S, self._first_at + LATEST_S)
        if self._is_urgent or self._state.is_log_full:
            due_at = self._first_at
        return max(due_at, self._not_before) - self._around.clock.boottime()

    def _rest(self) -> None:
        self._is_asked_for = False
        self._news.set()
        try:
            self._state.rest()
        except StorageError as error:
            self._around.logbook.warning("store-not-rested", detail=str(error))
            self._not_before = self._around.clock.boottime() + LATEST_S
        else:
            self._first_at, self._is_urgent = None, False
