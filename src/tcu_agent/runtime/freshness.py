"""SecOC freshness values in the durable state: reserved on the disk before the first of them is used."""

from __future__ import annotations

from collections.abc import Mapping

from tcu_agent.errors import StorageError
from tcu_agent.ports import StatePort

_BYTES = 8


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
        content = self._stored.get(self._key)
        if content is None:
            return 0
        if len(content) != _BYTES:
            raise StorageError(f"{self._key}: corrupt")
        return int.from_bytes(content, "big")

    def reserve(self, up_to: int) -> None:
        """Make durable that values up to `up_to` may be used from now on.

        Raises:
            StorageError: not durable.
        """
        self._state.commit(puts={self._key: up_to.to_bytes(_BYTES, "big")})
