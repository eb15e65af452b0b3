"""Puts a tombstone where a stored message cannot be read any more: one bad spot on the disk silences nothing behind it.

Whether the message was worth much is not known any more; that one is missing is what the centre gets to know.
"""

from __future__ import annotations

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
        """Read everything that is stored, and mend what is damaged; never raises."""
        seq = 0
        try:
            while True:
                try:
                    messages = self._state.outbox(after_seq=seq, limit=_PAGE_MESSAGES)
                except DamagedMessageError as damage:
                    self.mend(damage)
                    continue
                if not messages:
                    return
                seq = messages[-1].seq
        except StorageError as error:
            self._logbook.error("outbox-not-mended", detail=str(error))

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
        self._logbook.error(
            "message-lost", first_seq=first_seq, last_seq=last_seq, detail=str(damage)
        )
