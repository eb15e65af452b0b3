"""Durable state in memory: it survives the agent's restart as long as the test keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tcu_agent.adapters.storage.volatile_state import VolatileState
from tcu_agent.errors import StorageError
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol.messages import Event, Result

During = Callable[[tuple[str, ...], tuple[Result | Event, ...]], None]


def _takes_no_time(_keys: tuple[str, ...], _messages: tuple[Result | Event, ...]) -> None:
    """Be done at once."""


class InMemoryState(VolatileState):
    """The agent's `StatePort`, with faults set by attribute and contents open to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.is_corrupt = False
        """`load` fails while True."""
        self.failing_commits = 0
        """So many of the next commits fail and change nothing."""
        self.during_commit: During = _takes_no_time
        """Called with keys and messages before a commit is done: a disk that hangs moves a clock here."""

    def load(self) -> Mapping[str, bytes]:
        """Return all keys and values."""
        if self.is_corrupt:
            raise StorageError("the state is corrupt")
        return super().load()

    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it or nothing."""
        messages = tuple(append)
        self.during_commit(tuple(puts), messages)
        self._fail_if_asked()
        super().commit(puts=puts, append=messages, acknowledged=acknowledged)

    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position and `puts`; the same case and seq again replaces it."""
        self._fail_if_asked()
        super().put_position(position, puts=puts)

    def _fail_if_asked(self) -> None:
        if self.failing_commits > 0:
            self.failing_commits -= 1
            raise StorageError("the disk is full")
