"""Lets the store put itself in order in quiet moments: nothing that matters waits for it.

Between two events and never between two effects, so that it cannot come between an intent and its command. It is the
write-ahead log that is emptied then: docs/adr/0014.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tcu_agent.errors import StorageError
from tcu_agent.ports import StatePort
from tcu_agent.runtime.surroundings import Surroundings

QUIET_S: Final = 1.0
"""Nothing was written for so long: a burst of events is over, and a PIN is not yet entered."""

Between = Callable[[Callable[[], None]], Awaitable[None]]
"""`runtime.pump.Pump.put_between`."""


class StoreRest:
    """One for the agent's life."""

    def __init__(self, *, state: StatePort, between: Between, around: Surroundings) -> None:
        self._state = state
        self._between = between
        self._around = around
        self._touched_at = 0.0
        self._news = asyncio.Event()

    def touched(self) -> None:
        """Take note that the store may have been written to."""
        if self._state.needs_rest:
            self._touched_at = self._around.clock.boottime()
            self._news.set()

    async def run(self) -> None:
        """Wait for quiet moments, until cancelled."""
        while True:
            await self._news.wait()
            await self._wait_for_quiet()
            self._news.clear()
            await self._between(self._rest)

    async def _wait_for_quiet(self) -> None:
        now = self._around.clock.boottime
        while (left_s := self._touched_at + QUIET_S - now()) > 0 and not self._state.is_log_full:
            await self._around.wait_s(left_s)

    def _rest(self) -> None:
        try:
            self._state.rest()
        except StorageError as error:
            self._around.logbook.warning("store-not-rested", detail=str(error))
