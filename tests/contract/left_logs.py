"""What a process that died leaves: a state with a log, and what is found in it again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcu_agent.adapters.storage.first_look import LOG_NAME
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.adapters.storage.write_ahead_log import FRAME_HEADER_BYTES, HEADER_BYTES
from tcu_agent.errors import StorageError
from tcu_agent.ports import StoredPosition
from tests.contract.test_state import CASE_A, event

PAGE_BYTES = 512
"""SQLite's least, for logs of which every byte can be tried."""
FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES
COMMITS = 5
ROOM_BYTES = 20_000
"""More than the commits of `die` take."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a process that died has left, and what was in it after each of its commits."""

    folder: Path
    states: list[Any]

    @property
    def log(self) -> bytes:
        return (self.folder / LOG_NAME).read_bytes()

    def with_log(self, log: bytes | None) -> Path:
        """Return a copy with another log, or none."""
        again = self.folder.with_name("again")
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(self.folder, again)
        (again / LOG_NAME).unlink()
        if log is not None:
            (again / LOG_NAME).write_bytes(log)
        return again


def seen(state: SqliteState) -> Any:
    return (dict(state.load()), state.outbox(after_seq=0, limit=99), state.positions())


def reopened(folder: Path) -> Any:
    """Return what the next start finds; None = it refuses the state."""
    try:
        state = SqliteState(folder)
    except StorageError:
        return None
    try:
        return seen(state)
    finally:
        state.close()


def commit(state: SqliteState, number: int) -> None:
    puts: Mapping[str, bytes | None] = {"mark": bytes([number]), f"k{number}": bytes(300)}
    state.commit(puts=puts, append=[event(number)])


def die(folder: Path, after: Callable[[SqliteState], object] = lambda _: None) -> Left:
    """Make some commits; return the folder as it is then, never closed."""
    state = SqliteState(folder / "state")
    state.put_position(StoredPosition(CASE_A, 1, bytes(200)))
    state.rest()
    states = [seen(state)]
    for number in range(1, COMMITS + 1):
        commit(state, number)
        states.append(seen(state))
    after(state)
    shutil.copytree(folder / "state", folder / "left")
    state.close()
    return Left(folder / "left", states)


def flipped(log: bytes, at: int) -> bytes:
    changed = bytearray(log)
    changed[at] ^= 1 << (at % 8)
    return bytes(changed)


def last_commit(log: bytes) -> tuple[int, int]:
    """Return where the frames of the last commit begin, and where they end."""
    ends = [
        start + FRAME_BYTES
        for start in range(HEADER_BYTES, len(log), FRAME_BYTES)
        if any(log[start + 4 : start + 8])
    ]
    assert not any(log[ends[-1] :])
    return ends[-2], ends[-1]
