"""Waiting for something to change, for callers that ask "tell me when"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

LONGEST_WAIT_S = 60.0
T = TypeVar("T")


class News:
    """Wakes all who wait whenever something has changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Wake them."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_until(
        self,
        look: Callable[[], T],
        is_it: Callable[[T], bool],
        *,
        timeout_s: float,
        step_s: float = 1.0,
    ) -> T:
        """Return what `look` shows as soon as `is_it`, or after `timeout_s` whatever it shows.

        It looks again at every piece of news, and each `step_s` because time alone may change what is to be seen.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + min(timeout_s, LONGEST_WAIT_S)
        while not is_it(seen := look()) and (left := end - loop.time()) > 0:
            await self._wait_once(min(left, step_s))
        return seen

    async def _wait_once(self, timeout_s: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=timeout_s)
        finally:
            self._waiting.discard(waiter)
