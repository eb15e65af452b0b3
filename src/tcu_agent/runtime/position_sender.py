"""Sends sealed positions, by case and seq, until the theft desk's acknowledgement erases them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tcu_agent.errors import KeyStoreError, StorageError
from tcu_agent.ports import Clock, StatePort
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.waiting import wait_news

RESEND_S = 60.0
"""A position that has not been acknowledged for so long is sent once more."""

BURST_POSITIONS = 8
"""Sent together, before the first PUBACK: one round trip for each would take hours after a long time off line."""

Publish = Callable[[Signed], Awaitable[None]]


class PositionSender:
    """One for the agent's life; `run` is started anew for each connection."""

    def __init__(self, *, state: StatePort, notary: Notary, clock: Clock, logbook: Logbook) -> None:
        self._state = state
        self._notary = notary
        self._clock = clock
        self._logbook = logbook
        self._news = asyncio.Event()
        self._sent_at: dict[tuple[bytes, int], float] = {}

    def changed(self) -> None:
        """Look into the store: a position was stored or erased."""
        self._news.set()

    async def run(self, publish: Publish) -> None:
        """Send what is stored, then what comes, until the connection is lost or this is cancelled.

        Raises:
            MqttTransportError: the connection is lost.
        """
        self._sent_at.clear()
        while True:
            self._news.clear()
            try:
                await self._send_due(publish)
            except (StorageError, KeyStoreError) as error:
                self._logbook.error("positions-stuck", detail=str(error), retry_s=RESEND_S)
            await wait_news(self._news, clock=self._clock, timeout_s=RESEND_S)

    async def _send_due(self, publish: Publish) -> None:
        stored = {(each.case_id, each.seq): each.payload for each in self._state.positions()}
        self._sent_at = {key: at for key, at in self._sent_at.items() if key in stored}
        due = [key for key in stored if self._is_due(key)]
        for start in range(0, len(due), BURST_POSITIONS):
            burst = due[start : start + BURST_POSITIONS]
            signed = [self._notary.sign_position(stored[key]) for key in burst]
            self._sent_at.update(dict.fromkeys(burst, self._clock.boottime()))
            await asyncio.gather(*(publish(each) for each in signed))

    def _is_due(self, key: tuple[bytes, int]) -> bool:
        sent_at = self._sent_at.get(key)
        return sent_at is None or self._clock.boottime() >= sent_at + RESEND_S
