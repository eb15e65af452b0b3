"""The assistance call as it survives a restart, and how much time has passed since it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records
from tcu_agent.errors import StorageError
from tcu_agent.protocol.vocabulary import CallState

SCHEMA = 1
_OPEN = frozenset({CallState.REQUESTED, CallState.RINGING, CallState.CONNECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call that is not over.

    `boot_id`: under which it was asked for (call control quotes it, also after a restart). `pressed_at`: CLOCK_BOOTTIME
    of `boot_session`, s. `pressed_wall`: s since 1970-01-01, None = not known. `last_seq`: of call control, 0 = none.
    """

    incident_id: bytes
    boot_id: bytes
    boot_session: str
    pressed_at: float
    pressed_wall: float | None
    state: CallState
    last_seq: int = 0

    def age_s(self, *, boot_session: str, now: float, wall: float | None) -> float | None:
        """Return the time since the press as far as a clock proves it, else None."""
        if boot_session == self.boot_session:
            return now - self.pressed_at
        if wall is None or self.pressed_wall is None or wall < self.pressed_wall:
            return None
        return wall - self.pressed_wall

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        wall = self.pressed_wall
        return records.pack(
            SCHEMA,
            self.incident_id,
            self.boot_id,
            self.boot_session,
            records.milliseconds(self.pressed_at),
            None if wall is None else records.milliseconds(wall),
            int(self.state),
            self.last_seq,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> CallRecord:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.CALL, schema=SCHEMA)
        record = cls(
            incident_id=reader.take_bytes(records.ID_BYTES),
            boot_id=reader.take_bytes(records.BOOT_ID_BYTES),
            boot_session=reader.take(str),
            pressed_at=reader.take_seconds(),
            pressed_wall=reader.take_optional_seconds(),
            state=reader.take_member(CallState),
            last_seq=reader.take_number(),
        )
        reader.end()
        if record.state not in _OPEN:
            raise StorageError(f"{records.CALL}: corrupt")
        return record
