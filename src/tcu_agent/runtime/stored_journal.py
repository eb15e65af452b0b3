"""The journal as the store has it: who makes tombstones for stored messages needs to know their stream."""

from __future__ import annotations

from tcu_agent.core.durable import records
from tcu_agent.core.reports.journal import Journal
from tcu_agent.errors import StorageError
from tcu_agent.ports import StatePort


class StoredJournal:
    """For one vehicle's state."""

    def __init__(self, *, state: StatePort, vehicle_id: str, boot_id: bytes) -> None:
        self.boot_id = boot_id
        """Of this start of the agent."""
        self._state = state
        self.vehicle_id = vehicle_id

    def read(self) -> Journal:
        """Return the journal as it stands in the store now.

        Raises:
            StorageError: it is missing or cannot be read.
        """
        journal = self.find()
        if journal is None:
            raise StorageError(f"{records.JOURNAL}: is missing beside stored messages")
        return journal

    def find(self) -> Journal | None:
        """Return the journal as it stands in the store now, None where there is none yet.

        Raises:
            StorageError: it cannot be read.
        """
        record = self._state.load().get(records.JOURNAL)
        if record is None:
            return None
        journal = Journal(vehicle_id=self.vehicle_id, boot_id=self.boot_id, stream_id=b"")
        journal.restore(record)
        return journal
