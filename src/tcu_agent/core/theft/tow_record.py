"""That a locked car moved, as it survives a restart: when, and whether it was told. Never where."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TowRecord:
    """What survives a restart. `seen_wall`: s since 1970-01-01, None = the clock was wrong."""

    seen_wall: float | None
    is_told: bool = False

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        wall = self.seen_wall
        wall_ms = None if wall is None else records.milliseconds(wall)
        return records.pack(SCHEMA, wall_ms, self.is_told)

    @classmethod
    def from_bytes(cls, data: bytes) -> TowRecord:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.TOW, schema=SCHEMA)
        record = cls(seen_wall=reader.take_optional_seconds(), is_told=reader.take(bool))
        reader.end()
        return record
