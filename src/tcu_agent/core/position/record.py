"""A position case as it survives a restart, and how much of its time is provably left."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records
from tcu_agent.core.position.least_wall import LeastWall
from tcu_agent.errors import MalformedError, StorageError
from tcu_agent.protocol import tables
from tcu_agent.protocol.cbor import CborValue
from tcu_agent.protocol.messages import Common, PositionParameters

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRecord:
    """One accepted grant for a position that is not settled.

    `stop_at`: CLOCK_BOOTTIME of `boot_session`, s. `remaining_s` was left when the wall clock said `saved_wall` (as
    `least_wall` has it; None = not known). A snapshot has no stop time: both are 0.
    """

    common: Common
    parameters: PositionParameters
    case_id: bytes
    grant_hash: bytes
    boot_session: str
    stop_at: float
    remaining_s: float
    saved_wall: float | None

    @property
    def least_wall(self) -> LeastWall:
        """How low the wall clock stood since acceptance; for the same boot session alone."""
        if self.saved_wall is None:
            return LeastWall()
        offset_s = self.saved_wall - (self.stop_at - self.remaining_s)
        return LeastWall(offset_s, offset_s)

    def provable_s(self, *, boot_session: str, now: float, wall: float | None) -> float | None:
        """Return how long tracking may go on, None if no clock can prove anything.

        Within one boot session CLOCK_BOOTTIME proves it. In another one: the smaller of what was left and what the wall
        clock leaves of it; a wall clock that is unknown, or earlier than it was, proves nothing.
        """
        if boot_session == self.boot_session:
            return self.stop_at - now
        if wall is None or self.saved_wall is None or wall < self.saved_wall:
            return None
        return self.remaining_s - (wall - self.saved_wall)

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        wall = self.saved_wall
        return records.pack(
            SCHEMA,
            *records.common_fields(self.common),
            int(self.parameters.kind),
            self.parameters.interval_s,
            self.parameters.duration_s,
            self.case_id,
            self.grant_hash,
            self.boot_session,
            records.milliseconds(self.stop_at),
            records.milliseconds(self.remaining_s),
            None if wall is None else records.milliseconds(wall),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> PositionRecord:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.POSITION, schema=SCHEMA)
        record = cls(
            common=reader.take_common(),
            parameters=_parameters(reader),
            case_id=reader.take_bytes(records.ID_BYTES),
            grant_hash=reader.take_bytes(records.HASH_BYTES),
            boot_session=reader.take(str),
            stop_at=reader.take_seconds(),
            remaining_s=reader.take_seconds(),
            saved_wall=reader.take_optional_seconds(),
        )
        reader.end()
        return record


def _parameters(reader: records.RecordReader) -> PositionParameters:
    """Read parameters within the protocol's ranges: an interval of 0 would let tracking never come to rest."""
    fields = (reader.take(int), reader.take_optional(int), reader.take_optional(int))
    plain: dict[CborValue, CborValue] = {
        key: value for key, value in enumerate(fields) if value is not None
    }
    try:
        return tables.POSITION_PARAMETERS.read(plain)
    except MalformedError as error:
        raise StorageError(f"{records.POSITION}: corrupt") from error
