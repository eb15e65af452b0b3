"""A pending re-lock as it survives a restart."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RelockRecord:
    """What survives a restart. `due_at`: CLOCK_BOOTTIME of `boot_session`, s. `is_attempted`: a frame may be out."""

    request_id: bytes
    incident_id: bytes
    due_at: float
    boot_session: str
    is_attempted: bool = False

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        return records.pack(
            SCHEMA,
            self.request_id,
            self.incident_id,
            records.milliseconds(self.due_at),
            self.boot_session,
            self.is_attempted,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> RelockRecord:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.RELOCK, schema=SCHEMA)
        record = cls(
            request_id=reader.take_bytes(records.ID_BYTES),
            incident_id=reader.take_bytes(records.ID_BYTES),
            due_at=reader.take_seconds(),
            boot_session=reader.take(str),
            is_attempted=reader.take(bool),
        )
        reader.end()
        return record
