"""Since when a car is parked, as it survives a restart."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRecord:
    """What survives a restart.

    `parked_at`: CLOCK_BOOTTIME of `boot_session`, s. `parked_wall`: s since 1970-01-01, None = not known.
    `elapsed_s`: how long it had been parked when this was written.
    """

    parked_at: float
    boot_session: str
    parked_wall: float | None
    elapsed_s: float

    def parked_for_s(self, *, boot_session: str, now: float, wall: float | None) -> float:
        """Return for how long it has been parked, at least."""
        return now - self.parked_at if boot_session == self.boot_session else self.at_least_s(wall)

    def at_least_s(self, wall: float | None) -> float:
        """Return for how long it has been parked by what survives a power cut: what had passed, and the wall clock."""
        if wall is None or self.parked_wall is None:
            return self.elapsed_s
        return max(self.elapsed_s, wall - self.parked_wall)

    def awaits_proof(self, wall: float | None) -> bool:
        """Whether the wall clock, once it is known, may say that more time has passed than `at_least_s` knows."""
        return wall is None and self.parked_wall is not None

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        wall = self.parked_wall
        return records.pack(
            SCHEMA,
            records.milliseconds(self.parked_at),
            self.boot_session,
            None if wall is None else records.milliseconds(wall),
            records.milliseconds(self.elapsed_s),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ParkedRecord:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.PARKED, schema=SCHEMA)
        record = cls(
            parked_at=reader.take_seconds(),
            boot_session=reader.take(str),
            parked_wall=reader.take_optional_seconds(),
            elapsed_s=reader.take_seconds(),
        )
        reader.end()
        return record
