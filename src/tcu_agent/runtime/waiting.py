"""Waiting for the first of several things, and for a deadline that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from tcu_agent.ports import Clock


async def wait_first(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Return when the first one ends, with the others cancelled; raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in done:
            task.result()


CANCEL_AGAIN_S = 3.0
"""Longer than the polite end of a connection takes; after it, whoever still runs has missed that it is over."""


async def cancel_until_done(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until each task has ended: a cancellation that comes together with a failure may get lost."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)


async def wait_news(news: asyncio.Event, *, clock: Clock, timeout_s: float) -> None:
    """Return when there is news, or after `timeout_s` of CLOCK_BOOTTIME."""
    await wait_first(news.wait(), clock.wait_until(clock.boottime() + timeout_s))


class Alarm:
    """Calls `ring` once the deadline has come.

    Moving the deadline back costs nothing: the alarm then looks at the time once, early, and waits on.
    """

    def __init__(self, *, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._deadline: float | None = None
        self._armed: float | None = None
        self._waiting: asyncio.Future[None] | None = None

    def set(self, deadline: float | None) -> None:
        """Set the deadline (CLOCK_BOOTTIME, s), or None for none."""
        self._deadline = deadline
        if deadline is not None and (self._armed is None or deadline < self._armed):
            self._armed = deadline
            if self._waiting is not None:
                self._waiting.cancel()

    async def run(self) -> None:
        """Wait and ring until cancelled."""
        while True:
            if not self._has_come():
                await self._wait()
                continue
            self._deadline = None
            self._ring()

    def _has_come(self) -> bool:
        return self._deadline is not None and self._clock.boottime() >= self._deadline

    async def _wait(self) -> None:
        """Wait until the time that the deadline has now, or until an earlier one is set."""
        self._armed = self._deadline
        # One task, and nothing beside it: on a busy bus this is done for each value that waits for its debounce.
        self._waiting = waiting = self._wait_for(self._armed)
        try:
            await asyncio.wait((waiting,))
        finally:
            self._waiting = None
            waiting.cancel()
        if not waiting.cancelled():
            waiting.result()

    def _wait_for(self, deadline: float | None) -> asyncio.Future[None]:
        if deadline is None:
            return asyncio.get_running_loop().create_future()
        return asyncio.ensure_future(self._clock.wait_until(deadline))
