"""An unlock's durable intent: written before anything moves, removed with the storing of the outcome."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.durable import records
from tcu_agent.protocol.messages import Common

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockIntent:
    """What a result needs after a restart. `is_firing`: a frame may be out; else only armed, so nothing has moved."""

    common: Common
    incident_id: bytes
    grant_hash: bytes
    is_firing: bool

    def to_bytes(self) -> bytes:
        """Return the durable record."""
        return records.pack(
            SCHEMA,
            *records.common_fields(self.common),
            self.incident_id,
            self.grant_hash,
            self.is_firing,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> UnlockIntent:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(data, key=records.UNLOCK, schema=SCHEMA)
        intent = cls(
            common=reader.take_common(),
            incident_id=reader.take_bytes(records.ID_BYTES),
            grant_hash=reader.take_bytes(records.HASH_BYTES),
            is_firing=reader.take(bool),
        )
        reader.end()
        return intent
