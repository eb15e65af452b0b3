"""SecOC freshness values in the durable state: reserved on the disk before the first of them is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tcu_agent.core.durable import records
from tcu_agent.errors import StorageError
from tcu_agent.ports import StatePort

KEY_PREFIX: Final = "secoc/"
"""Of the records' keys; the secured message follows."""
SCHEMA: Final = 2
"""1: the value alone, 8 bytes, big-endian. 2: as all other records, headed by its version."""
_BYTES_OF_THE_FIRST: Final = 8
"""No record of a later version is as long: a value has at most 4 bytes (`adapters.can.secoc`)."""


def read_freshness(record: bytes, *, key: str) -> int:
    """Return the highest value ever reserved.

    Raises:
        StorageError: corrupt, or of a newer schema.
    """
    if len(record) == _BYTES_OF_THE_FIRST:
        return int.from_bytes(record, "big")
    reader = records.RecordReader(record, key=key, schema=SCHEMA)
    value = reader.take_number()
    reader.end()
    return value


def write_freshness(value: int) -> bytes:
    """Return the record of a value."""
    return records.pack(SCHEMA, value)


class StoredFreshness:
    """The `FreshnessStore` of one secured message. `stored` None: the state cannot be read, so nothing is sent."""

    def __init__(self, *, key: str, stored: Mapping[str, bytes] | None, state: StatePort) -> None:
        self._key = key
        self._stored = stored
        self._state = state

    def load(self) -> int:
        """Return the highest value ever reserved, 0 at first.

        Raises:
            StorageError: unreadable.
        """
        if self._stored is None:
            raise StorageError(f"{self._key}: the durable state cannot be read")
        record = self._stored.get(self._key)
        return 0 if record is None else read_freshness(record, key=self._key)

    def reserve(self, up_to: int) -> None:
        """Make durable that values up to `up_to` may be used from now on.

        Raises:
            StorageError: not durable.
        """
        self._state.commit(puts={self._key: write_freshness(up_to)})
