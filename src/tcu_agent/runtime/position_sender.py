"""Sends sealed positions, by case and seq, until the theft desk's acknowledgement erases them.

The desk acknowledges up to the first number that it lacks. What is damaged on the disk would keep all that is behind
it here for ever; so with the first position of a case that has to be sent again goes the word that the car has nothing
before it any more: the desk has all of that, or it is lost. A desk that is silent gets one window of each case, ever
less often (`silence`): what comes meanwhile waits behind it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

from tcu_agent.errors import KeyStoreError, MalformedError, StorageError
from tcu_agent.ports import Clock, StatePort, StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Position
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.notary import Notary, Signed
from tcu_agent.runtime.silence import RESEND_S, Silence
from tcu_agent.runtime.stored_journal import StoredJournal
from tcu_agent.runtime.waiting import wait_news

WINDOW_POSITIONS = 32
"""Of each case, sent and not acknowledged at any time: bounds what a desk that is silent for days is sent, and what is
read for each new position."""
BURST_POSITIONS = 8
"""Sent together, before the first PUBACK: one round trip for each would take hours after a long time off line. Read
together too: what the end of a case has erased meanwhile is in no later burst."""
_BEHIND_ALL = (1 << 63) - 1
"""No position of a case has such a number."""

Publish = Callable[[Signed], Awaitable[object]]
Place = tuple[bytes, int]


class PositionSender:
    """One for the agent's life; `run` is started anew for each connection."""

    def __init__(
        self,
        *,
        state: StatePort,
        journal: StoredJournal,
        notary: Notary,
        silence: Silence,
        clock: Clock,
        logbook: Logbook,
    ) -> None:
        self._state = state
        self._journal = journal
        self._notary = notary
        self._silence = silence
        self._clock = clock
        self._logbook = logbook
        self._news = asyncio.Event()
        self._in_flight: set[Place] = set()
        """Sent on this connection since the last time all was sent again, and not acknowledged."""
        self._sent_before: set[Place] = set()
        """Sent ever, and still stored: kept over connections, else a car whose link is bad would never tell a loss."""

    def changed(self) -> None:
        """Look into the store: a position was stored or erased."""
        self._news.set()

    async def run(self, publish: Publish) -> None:
        """Send what is stored, then what comes, until the connection is lost or this is cancelled.

        Raises:
            MqttTransportError: the connection is lost.
        """
        self._silence.connected()
        self._in_flight.clear()
        while True:
            self._news.clear()
            try:
                await self._send_windows(publish)
            except (StorageError, KeyStoreError) as error:
                self._logbook.error("positions-stuck", detail=str(error), retry_s=RESEND_S)
                await self._wait(RESEND_S)
            else:
                await self._wait(self._silence.left_s if self._in_flight else RESEND_S)

    async def _wait(self, left_s: float) -> None:
        await wait_news(self._news, clock=self._clock, timeout_s=max(left_s, 0.0))
        if self._in_flight and self._silence.left_s <= 0:
            self._silence.sending_again(len(self._in_flight))
            self._in_flight.clear()

    async def _send_windows(self, publish: Publish) -> None:
        """Send of each case what is in its window and not in flight, the oldest first."""
        read: Counter[bytes] = Counter()
        still_stored: set[Place] = set()
        last: Place | None = None
        while burst := self._state.positions(after=last, limit=BURST_POSITIONS):
            in_windows = list(_in_windows(burst, read))
            still_stored.update(_place_of(stored) for stored, _ in in_windows)
            case_id, seq = _place_of(burst[-1])
            last = case_id, _BEHIND_ALL if read[case_id] >= WINDOW_POSITIONS else seq
            await self._send(in_windows, publish)
        is_news = not self._in_flight <= still_stored
        self._in_flight &= still_stored
        self._sent_before &= still_stored
        if is_news:
            self._silence.broken(all_acknowledged=not self._in_flight)

    async def _send(self, burst: Sequence[tuple[StoredPosition, bool]], publish: Publish) -> None:
        due = [each for each in burst if _place_of(each[0]) not in self._in_flight]
        signed = [each for stored, is_first in due for each in self._position(stored, is_first)]
        if due and not self._in_flight:
            self._silence.sent()
        places = {_place_of(stored) for stored, _ in due}
        self._in_flight |= places
        self._sent_before |= places
        await asyncio.gather(*(publish(each) for each in signed))

    def _position(self, stored: StoredPosition, is_first: bool) -> Iterator[Signed]:
        """`is_first`: of its case."""
        is_again = _place_of(stored) in self._sent_before
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


def _in_windows(
    burst: Sequence[StoredPosition], read: Counter[bytes]
) -> Iterator[tuple[StoredPosition, bool]]:
    """Yield those that are in the window of their case, each with whether it is the first there."""
    for stored in burst:
        read[stored.case_id] += 1
        if read[stored.case_id] <= WINDOW_POSITIONS:
            yield stored, read[stored.case_id] == 1
