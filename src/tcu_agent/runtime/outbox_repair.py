"""Puts a tombstone where a stored message cannot be read any more, or is gone: nothing behind it is silenced by it.

Whether the message was worth much is not known any more; that one is missing is what the centre gets to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcu_agent.core.reports.journal import Journal, numbers_of
from tcu_agent.errors import DamagedMessageError, StorageError
from tcu_agent.ports import StatePort
from tcu_agent.protocol.vocabulary import Reason
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.stored_journal import StoredJournal

_PAGE_MESSAGES = 64


class OutboxRepair:
    """Mends the outbox of one vehicle's state."""

    def __init__(self, *, state: StatePort, journal: StoredJournal, logbook: Logbook) -> None:
        self._state = state
        self._journal = journal
        self._logbook = logbook

    def look_through(self) -> None:
        """Read everything that is stored, mend what is damaged, and bury what is missing; never raises."""
        try:
            journal = self._journal.find()
            stored = list(self._readable())
            if journal is not None:
                for first_seq, last_seq in _holes(stored, journal):
                    self._bury(journal, first_seq, last_seq)
        except StorageError as error:
            self._logbook.error("outbox-not-mended", detail=str(error))

    def _readable(self) -> Iterator[range]:
        """Yield the numbers that each stored message stands for, and mend the damaged ones on the way."""
        seq = 0
        while True:
            try:
                messages = self._state.outbox(after_seq=seq, limit=_PAGE_MESSAGES)
            except DamagedMessageError as damage:
                self.mend(damage)
                continue
            if not messages:
                return
            yield from map(numbers_of, messages)
            seq = messages[-1].seq

    def _bury(self, journal: Journal, first_seq: int, last_seq: int) -> None:
        tombstone = journal.tombstone_over(
            first_seq=first_seq, last_seq=last_seq, reason=Reason.STATE_CORRUPT
        )
        self._state.replace(last_seq, by=tombstone)
        self._tell(first_seq, last_seq, detail="not in the store any more")

    def _tell(self, first_seq: int, last_seq: int, *, detail: str) -> None:
        self._logbook.error("message-lost", first_seq=first_seq, last_seq=last_seq, detail=detail)

    def mend(self, damage: DamagedMessageError) -> None:
        """Replace the damaged message by a tombstone with the numbers that it may have stood for.

        Raises:
            StorageError: not durable, or nothing says which stream it is; all is as it was.
        """
        journal = self._journal.read()
        # A damaged tombstone stood for more than its own number, and a damaged number is none that was given out.
        first_seq = max(damage.after_seq, journal.acknowledged) + 1
        last_seq = min(damage.seq, journal.last_seq)
        tombstone = None
        if first_seq <= last_seq:
            tombstone = journal.tombstone_over(
                first_seq=first_seq, last_seq=last_seq, reason=Reason.STATE_CORRUPT
            )
        self._state.replace(damage.seq, by=tombstone)
        self._tell(first_seq, last_seq, detail=str(damage))


def _holes(stored: Iterable[range], journal: Journal) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of numbers that were given out, and that nothing stored stands for."""
    next_seq = journal.acknowledged + 1
    for numbers in (*stored, range(journal.last_seq + 1, journal.last_seq + 2)):
        if next_seq < numbers.start <= journal.last_seq + 1:
            yield next_seq, numbers.start - 1
        next_seq = max(next_seq, numbers.stop)
