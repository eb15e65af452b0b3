"""Sends stored results and events in order of seq, and again after each reconnection, until the centre has them.

The broker's PUBACK says that the broker has a message, not that the centre has stored it; only the centre's signed
acknowledgement (which the core turns into `Persist`) takes a message out of the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from tcu_agent.errors import DamagedMessageError, KeyStoreError, StorageError
from tcu_agent.ports import Clock, StatePort
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.outbox_limits import OutboxLimits
from tcu_agent.runtime.outbox_repair import OutboxRepair
from tcu_agent.runtime.silence import RESEND_S, Silence
from tcu_agent.runtime.urgency import Urgency
from tcu_agent.runtime.waiting import wait_news

WINDOW_MESSAGES = 32
"""Sent and not acknowledged at any time: bounds what a reconnection sends again."""
BURST_MESSAGES = 8
"""Sent together, before the first PUBACK: more would take a slow link longer than the patience with the broker."""

Publish = Callable[[Signed], Awaitable[bool]]
"""Returns whether the broker says that it has nobody to give it to."""


class OutboxSender:
    """One for the agent's life; `run` is started anew for each connection."""

    def __init__(
        self,
        *,
        state: StatePort,
        repair: OutboxRepair,
        limits: OutboxLimits,
        notary: Notary,
        silence: Silence,
        clock: Clock,
        logbook: Logbook,
    ) -> None:
        self._state = state
        self._repair = repair
        self._limits = limits
        self._notary = notary
        self._silence = silence
        self._clock = clock
        self._logbook = logbook
        self._news = asyncio.Event()
        self._sent_up_to = 0
        self._unacknowledged: deque[int] = deque()
        self._urgency = Urgency()
        self.urgent = asyncio.Event()
        """Somebody has pressed ON CALL: set here, cleared by who connects."""

    def appended(self, messages: Iterable[Result | Event]) -> None:
        """Look into the store: there is something new."""
        new = tuple(messages)
        self._limits.appended(new)
        if self._urgency.note(new):
            self._silence.hurry()
        self._news.set()
        if any(isinstance(m, Event) and m.kind is EventKind.ON_CALL_PRESSED for m in new):
            self.urgent.set()

    def acknowledged(self, seq: int) -> None:
        """Go on: the centre has stored everything up to `seq`."""
        self._urgency.acknowledged(seq)
        is_news = bool(self._unacknowledged) and self._unacknowledged[0] <= seq
        while self._unacknowledged and self._unacknowledged[0] <= seq:
            self._unacknowledged.popleft()
        if is_news or not self._unacknowledged:
            self._silence.broken(all_acknowledged=not self._unacknowledged)
            if self._urgency.is_pressing:
                self._silence.hurry()
        self._limits.acknowledged(seq)
        self._news.set()

    async def run(self, publish: Publish, *, has_session: bool) -> None:
        """Send all that is stored, then what comes, until the connection is lost or this is cancelled.

        `has_session`: whether the broker still had ours when it took this connection.

        Raises:
            MqttTransportError: the connection is lost.
        """
        self._limits.trim()
        self._silence.connected()
        if not has_session:
            self._urgency.doubt()
        if self._urgency.is_pressing:
            self._silence.hurry()
        self._start_over()
        while True:
            self._news.clear()
            try:
                is_idle = not await self._send_window(publish)
            except (StorageError, KeyStoreError) as error:
                self._logbook.error("outbox-stuck", detail=str(error), retry_s=RESEND_S)
                is_idle = True
            if is_idle:
                await self._wait()

    async def _send_window(self, publish: Publish) -> bool:
        room = min(WINDOW_MESSAGES - len(self._unacknowledged), BURST_MESSAGES)
        messages = self._readable(room) if room else ()
        signed = [self._notary.sign(message) for message in messages]
        if messages and not self._unacknowledged:
            self._silence.sent()
        for message in messages:
            self._sent_up_to = message.seq
            self._unacknowledged.append(message.seq)
        # Before they are sent: the centre may acknowledge them before the broker does.
        is_pressing = self._urgency.note(messages)
        # Together, in order: to wait for each PUBACK would take a round trip for each message, and a car that was
        # offline has hundreds.
        is_unheard = any(await asyncio.gather(*(publish(each) for each in signed)))
        is_news = is_unheard and self._urgency.doubt()
        if is_news or (is_pressing and self._urgency.is_pressing):
            self._silence.hurry()
        return bool(messages)

    def _readable(self, limit: int) -> Sequence[Result | Event]:
        while True:
            try:
                return self._state.outbox(after_seq=self._sent_up_to, limit=limit)
            except DamagedMessageError as damage:
                self._repair.mend(damage)

    async def _wait(self) -> None:
        left_s = self._silence.left_s if self._unacknowledged else RESEND_S
        await wait_news(self._news, clock=self._clock, timeout_s=max(left_s, 0.0))
        if self._unacknowledged and self._silence.left_s <= 0:
            self._silence.sending_again(len(self._unacknowledged))
            self._start_over()

    def _start_over(self) -> None:
        self._sent_up_to = 0
        self._unacknowledged.clear()
