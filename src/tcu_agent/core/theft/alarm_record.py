"""An alarm that went off, as it survives a restart."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecord:
    """What survives a restart. `due_at`: when to tell, or when it was told, CLOCK_BOOTTIME of `boot_session`, s."""

    due_at: float
    boot_session: str
    is_told: bool

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        due_ms = records.milliseconds(self.due_at)
        return records.pack(SCHEMA, due_ms, self.boot_session, self.is_told)

    @classmethod
    def from_bytes(cls, data: bytes) -> AlarmRecord:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.ALARM, schema=SCHEMA)
        record = cls(
            due_at=reader.take_seconds(),
            boot_session=reader.take(str),
            is_told=reader.take(bool),
        )
        reader.end()
        return record
