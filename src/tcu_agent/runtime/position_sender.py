"""Sends sealed positions, by case and seq, until the theft desk's acknowledgement erases them.

The desk acknowledges up to the first number that it lacks. What is damaged on the disk would keep all that is behind
it here for ever; so with the first position of a case that has to be sent again goes the word that the car has nothing
before it any more: the desk has all of that, or it is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from tcu_agent.errors import KeyStoreError, MalformedError, StorageError
from tcu_agent.ports import Clock, StatePort, StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Position
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.stored_journal import StoredJournal
from tcu_agent.runtime.waiting import wait_news

RESEND_S = 60.0
"""A position that has not been acknowledged for so long is sent once more."""

BURST_POSITIONS = 8
"""Sent together, before the first PUBACK: one round trip for each would take hours after a long time off line. Read
together too: what the end of a case has erased meanwhile is in no later burst."""

Publish = Callable[[Signed], Awaitable[None]]
Place = tuple[bytes, int]


class PositionSender:
    """One for the agent's life; `run` is started anew for each connection."""

    def __init__(
        self,
        *,
        state: StatePort,
        journal: StoredJournal,
        notary: Notary,
        clock: Clock,
        logbook: Logbook,
    ) -> None:
        self._state = state
        self._journal = journal
        self._notary = notary
        self._clock = clock
        self._logbook = logbook
        self._news = asyncio.Event()
        self._sent_at: dict[Place, float] = {}

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
        still_stored: dict[Place, float] = {}
        last: Place | None = None
        while burst := self._state.positions(after=last, limit=BURST_POSITIONS):
            signed = list(self._signed(burst, case_before=last and last[0]))
            last = _place_of(burst[-1])
            for place in map(_place_of, burst):
                still_stored[place] = self._sent_at[place]
            await asyncio.gather(*(publish(each) for each in signed))
        self._sent_at = still_stored

    def _signed(
        self, burst: Sequence[StoredPosition], *, case_before: bytes | None
    ) -> Iterator[Signed]:
        for stored in burst:
            is_first, case_before = stored.case_id != case_before, stored.case_id
            sent_at = self._sent_at.get(_place_of(stored))
            if sent_at is not None and self._clock.boottime() < sent_at + RESEND_S:
                continue
            self._sent_at[_place_of(stored)] = self._clock.boottime()
            yield from self._position(stored, is_first=is_first, is_again=sent_at is not None)

    def _position(
        self, stored: StoredPosition, *, is_first: bool, is_again: bool
    ) -> Iterator[Signed]:
        try:
            position = codec.decode(Position, stored.payload)
        except MalformedError:
            if is_first:
                yield from self._unreadable(stored)
            return
        if is_first and is_again and stored.seq > 1:
            yield self._notary.sign(_nothing_up_to(position, stored.seq - 1))
        yield self._notary.sign_position(stored.payload)

    def _unreadable(self, stored: StoredPosition) -> Iterator[Signed]:
        """Tell of the first position of a case that it is lost: an agent of another version has written it."""
        self._logbook.error("position-lost", seq=stored.seq)
        journal = self._journal.find()
        if journal is not None:
            yield self._notary.sign(
                Position(
                    vehicle_id=self._journal.vehicle_id,
                    case_id=stored.case_id,
                    seq=stored.seq,
                    stream_id=journal.stream_id,
                )
            )


def _nothing_up_to(position: Position, seq: int) -> Position:
    return Position(
        vehicle_id=position.vehicle_id,
        case_id=position.case_id,
        seq=seq,
        stream_id=position.stream_id,
    )


def _place_of(stored: StoredPosition) -> Place:
    return stored.case_id, stored.seq
