"""The one way a state changes: by a row of its machine's table.

Each machine module holds its table as plain data, `TABLE: dict[(State, Trigger), State]`, so that tests, the documents
and the models in formal/ can be compared with it (`core.tables` lists them all). A machine asks its table FIRST: where
there is no row, nothing happens, neither in RAM nor on disk nor on a bus.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

S = TypeVar("S", bound=Enum)
T = TypeVar("T", bound=Enum)


class Machine(Generic[S, T]):
    """A state, and the table that it moves by."""

    __slots__ = ("_table", "state")

    def __init__(self, table: Mapping[tuple[S, T], S], state: S) -> None:
        self._table = table
        self.state = state

    def move(self, trigger: T) -> bool:
        """Take the row of (state, trigger). Returns False, and changes nothing, where there is none."""
        new = self._table.get((self.state, trigger))
        if new is None:
            return False
        self.state = new
        return True
