"""Sends what is of use now or never: challenges, refusals, availability, stored results asked for again.

The core must not wait for a slow link, so its messages are queued here; the queue is short, and gone with the
connection, for a challenge that comes late is worth nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.notary import Signed

QUEUE_MESSAGES = 64
"""When it is full, the oldest goes: whoever floods the car with requests gets no answer to each."""

Publish = Callable[[Signed], Awaitable[object]]


class PromptSender:
    """One for the agent's life; open while there is a connection."""

    def __init__(self, *, logbook: Logbook) -> None:
        self._logbook = logbook
        self._queue: deque[Signed] = deque()
        self._news = asyncio.Event()
        self._is_open = False

    def offer(self, signed: Signed) -> None:
        """Send a message if there is a connection; else it is gone."""
        if not self._is_open:
            self._logbook.debug("message-not-sent", type=signed.topic_type, cause="offline")
            return
        if len(self._queue) == QUEUE_MESSAGES:
            lost = self._queue.popleft()
            self._logbook.warning("message-not-sent", type=lost.topic_type, cause="queue-full")
        self._queue.append(signed)
        self._news.set()

    def open(self) -> None:
        """Begin a connection; what was left from the last one is gone."""
        self._queue.clear()
        self._is_open = True

    def close(self) -> None:
        """End a connection."""
        self._is_open = False

    async def run(self, publish: Publish) -> None:
        """Send what is offered until the connection is lost or this is cancelled.

        Raises:
            MqttTransportError: the connection is lost.
        """
        while True:
            self._news.clear()
            while self._queue:
                await publish(self._queue.popleft())
            await self._news.wait()
