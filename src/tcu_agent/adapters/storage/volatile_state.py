"""State that is gone with the process: what the agent goes on with when the durable one cannot be trusted.

ON CALL needs numbers and an outbox even then. Nothing remote is done on it: the core is told that its state is corrupt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tcu_agent.errors import StorageError
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol.messages import Event, Result


class VolatileState:
    """The `StatePort` in memory."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.messages: dict[int, Result | Event] = {}
        self.sealed: dict[tuple[bytes, int], StoredPosition] = {}

    def load(self) -> Mapping[str, bytes]:
        """Return all keys and values."""
        return dict(self.values)

    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it or nothing.

        Raises:
            StorageError: a sequence number was used twice; nothing happened.
        """
        new = {message.seq: message for message in append}
        if new.keys() & self.messages.keys():
            raise StorageError("a sequence number was used twice")
        self.messages |= new
        self._put(puts)
        if acknowledged is not None:
            self.messages = {n: kept for n, kept in self.messages.items() if n > acknowledged}

    def outbox(self, *, after_seq: int, limit: int) -> Sequence[Result | Event]:
        """Return stored messages with a seq above `after_seq`, in order, at most `limit`."""
        above = sorted(seq for seq in self.messages if seq > after_seq)
        return [self.messages[seq] for seq in above[:limit]]

    def replace(self, seq: int, *, by: Event | None) -> None:
        """Put `by`, or nothing, where the message under `seq` is, and all that a tombstone covers."""
        first_seq = seq if by is None or by.first_seq is None else by.first_seq
        self.messages = {n: m for n, m in self.messages.items() if not first_seq <= n <= seq}
        if by is not None:
            self.messages[by.seq] = by

    def bury(self, tombstones: Iterable[Event]) -> None:
        """Put each tombstone in the place of all that it covers."""
        for tombstone in tombstones:
            self.replace(tombstone.seq, by=tombstone)

    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position and `puts`; the same case and seq again replaces it."""
        self._put(puts or {})
        self.sealed[position.case_id, position.seq] = position

    def positions(
        self, *, after: tuple[bytes, int] | None = None, limit: int | None = None
    ) -> Sequence[StoredPosition]:
        """Return sealed positions by case and seq, those behind `after`, at most `limit`."""
        keys = sorted(key for key in self.sealed if after is None or key > after)
        return [self.sealed[key] for key in keys[:limit]]

    def erase_positions(self, case_id: bytes, up_to_seq: int | None) -> None:
        """Erase sealed positions of a case, all or up to a seq."""
        self.sealed = {
            (case, seq): position
            for (case, seq), position in self.sealed.items()
            if case != case_id or (up_to_seq is not None and seq > up_to_seq)
        }

    def watch(self, committed: Callable[[frozenset[str]], None]) -> None:
        """Call nobody: there is never anything to do for `rest`."""

    @property
    def needs_rest(self) -> bool:
        """Never."""
        return False

    @property
    def is_log_full(self) -> bool:
        """Never: there is none."""
        return False

    def rest(self) -> None:
        """Do nothing."""

    def _put(self, puts: Mapping[str, bytes | None]) -> None:
        for key, value in puts.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value


class UnreadableState(VolatileState):
    """Stands for a store that could not even be opened: `load` says why."""

    def __init__(self, error: StorageError) -> None:
        super().__init__()
        self._error = error

    def load(self) -> Mapping[str, bytes]:
        """Say why there is nothing to load.

        Raises:
            StorageError: always.
        """
        raise self._error
