"""No damage of the write-ahead log turns the state back without a word; a commit that was torn is no damage."""

import contextlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.adapters.storage import kept_log
from tcu_agent.adapters.storage.first_look import FILE_NAME, LOG_NAME, MAX_LOG_BYTES
from tcu_agent.adapters.storage.schema import SCHEMA_VERSION
from tcu_agent.adapters.storage.state_directory import LOG_MARK
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.adapters.storage.write_ahead_log import (
    HEADER_BYTES,
    read_log,
)
from tcu_agent.errors import StorageError
from tcu_agent.ports import StoredPosition
from tests.contract.left_logs import (
    COMMITS,
    FRAME_BYTES,
    commit,
    die,
    flipped,
    last_commit,
    reopened,
    seen,
)
from tests.contract.test_state import CASE_A


class Full:
    """A database whose disk has no room when it comes to the commit."""

    def __init__(self, inner: sqlite3.Connection) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def execute(self, statement: str, *rest: Any) -> Any:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return self._inner.execute(statement, *rest)


def fail_to_commit(state: SqliteState, number: int) -> None:
    whole = state._database
    state._database = Full(whole)  # type: ignore[assignment]  # stands for it in this test
    with pytest.raises(StorageError, match="I/O error"):
        commit(state, number)
    state._database = whole


def broken_rest() -> None:
    raise sqlite3.OperationalError("no room")


def test_what_a_dead_process_has_left_is_found_again(disk: Path) -> None:
    left = die(disk)
    assert read_log(left.log).count == 1 + COMMITS
    assert reopened(left.with_log(left.log)) == left.states[-1]


def test_each_flip_is_refused_or_costs_the_last_commit_alone(any_room: Path) -> None:
    left = die(any_room)
    log, (last, end) = left.log, last_commit(left.log)
    for at in range(last):
        with pytest.raises(StorageError, match="corrupt"):
            read_log(flipped(log, at))
    for at in range(0, last, 97):
        assert reopened(left.with_log(flipped(log, at))) is None, at
    for at in range(last, end):
        with contextlib.suppress(StorageError):
            assert read_log(flipped(log, at)).count == COMMITS, at
    for at in [*range(last, end, 41), last + 7, end - 1]:
        assert reopened(left.with_log(flipped(log, at))) in (None, left.states[-2]), at
    for at in range(end, len(log)):
        assert read_log(flipped(log, at)).count == 1 + COMMITS, at
    for at in range(end, len(log), 97):
        assert reopened(left.with_log(flipped(log, at))) == left.states[-1], at


def test_a_damaged_end_of_a_commit_does_not_join_it_to_the_next(disk: Path) -> None:
    # The field is 0 in all frames but a commit's last: as 0, it would make two commits look like one that was torn.
    log = die(disk).log
    ends = [at for at in range(HEADER_BYTES, len(log), FRAME_BYTES) if any(log[at + 4 : at + 8])]
    for start, pages_after in itertools.product(ends[:-1], (0, 1, 1 << 31)):
        changed = log[: start + 4] + pages_after.to_bytes(4, "big") + log[start + 8 :]
        with pytest.raises(StorageError, match="corrupt"):
            read_log(changed)


def test_after_a_rest_each_flip_is_refused_or_costs_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_log, "ROOM_BYTES", 3 * FRAME_BYTES)
    left = die(disk, after=SqliteState.rest)
    assert read_log(left.log).count == 1
    for at in range(len(left.log)):
        assert reopened(left.with_log(flipped(left.log, at))) in (None, left.states[-1]), at


def test_a_log_that_was_cut_off_ends_with_a_whole_commit(disk: Path) -> None:
    left = die(disk)
    first = HEADER_BYTES + FRAME_BYTES
    for length in [*range(0, len(left.log), 31), first - 1, first]:
        found = reopened(left.with_log(left.log[:length]))
        assert (found is None) == (length < first), "its first commit was on the disk"
        assert found is None or found in left.states


@pytest.mark.parametrize("log", [None, b""], ids=["gone", "empty"])
def test_a_log_that_is_gone_is_damage_while_the_agent_ran(disk: Path, log: bytes | None) -> None:
    left = die(disk)
    with pytest.raises(StorageError, match="has lost its commits"):
        SqliteState(left.with_log(log))


def test_an_orderly_end_leaves_no_log_and_expects_none(disk: Path) -> None:
    die(disk)
    assert [file.name for file in (disk / "state").iterdir()] == [FILE_NAME]
    (disk / "state" / LOG_NAME).touch()
    assert reopened(disk / "state") is not None


def test_any_part_of_the_last_commit_may_be_missing(any_room: Path) -> None:
    left = die(any_room)
    frames = range(*last_commit(left.log), FRAME_BYTES)
    assert len(frames) > 1
    for torn in itertools.product([True, False], repeat=len(frames)):
        log = bytearray(left.log)
        for start, is_torn in zip(frames, torn, strict=True):
            if is_torn:
                log[start : start + FRAME_BYTES] = bytes(FRAME_BYTES)
        assert reopened(left.with_log(bytes(log))) == left.states[-2 if any(torn) else -1]


def test_what_a_failed_commit_left_behind_is_cleared_before_the_next(disk: Path) -> None:
    state = SqliteState(disk / "state")
    commit(state, 1)
    fail_to_commit(state, 2)
    commit(state, 3)
    assert read_log((disk / "state" / LOG_NAME).read_bytes()).count == 1 + 1
    assert state.load()["mark"] == b"\x03"
    state.close()


def test_nothing_is_committed_over_what_a_failed_commit_left_before_it_is_cleared(
    disk: Path,
) -> None:
    """Else a start would take it for damage of commits that were whole, and refuse all remote services."""
    state = SqliteState(disk / "state")
    commit(state, 1)
    fail_to_commit(state, 2)
    rest, state._log.rest = state._log.rest, broken_rest  # type: ignore[method-assign]  # on this one object
    for number in (3, 4):
        with pytest.raises(StorageError, match="no room"):
            commit(state, number)
    assert state.load()["mark"] == b"\x01"
    state._log.rest = rest  # type: ignore[method-assign]  # on this one object
    commit(state, 5)
    commit(state, 6)
    assert read_log((disk / "state" / LOG_NAME).read_bytes()).count == 1 + 2, "cleared once"
    assert state.load()["mark"] == b"\x06"
    state.close()


def test_a_file_whose_log_alone_is_left_is_no_first_start(disk: Path) -> None:
    left = die(disk)
    (left.folder / FILE_NAME).unlink()
    with pytest.raises(StorageError, match="is gone, and its log is still there"):
        SqliteState(left.folder)


def test_a_log_of_unheard_of_length_is_not_read(disk: Path) -> None:
    left = die(disk)
    os.truncate(left.folder / LOG_NAME, MAX_LOG_BYTES + 1)
    with pytest.raises(StorageError, match="longer than any write-ahead log"):
        SqliteState(left.folder)


def test_a_newer_schema_is_refused_with_nothing_written_even_if_only_the_log_says_so(
    disk: Path,
) -> None:
    def upgrade(state: SqliteState) -> None:
        state._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    left = die(disk, after=upgrade)
    before = {file.name: file.read_bytes() for file in left.folder.iterdir()}
    with pytest.raises(StorageError, match=f"schema {SCHEMA_VERSION + 1} is newer"):
        SqliteState(left.folder)
    assert {file.name: file.read_bytes() for file in left.folder.iterdir()} == before


def test_a_damaged_log_is_left_as_it_is(disk: Path) -> None:
    left = die(disk)
    folder = left.with_log(flipped(left.log, 900))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert reopened(folder) is None
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert before.keys() == {FILE_NAME, LOG_NAME, LOG_MARK}


def test_what_is_erased_already_is_not_written_for_again(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SqliteState(disk / "state")
    state.put_position(StoredPosition(CASE_A, 1, b"sealed"))
    state.erase_positions(CASE_A, 1)
    log = (disk / "state" / LOG_NAME).read_bytes()
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    commit(state, 1)
    longer = (disk / "state" / LOG_NAME).read_bytes()
    for last in (1, None):
        state.erase_positions(CASE_A, last)
    assert (disk / "state" / LOG_NAME).read_bytes() == longer != log
    assert (state.needs_rest, syncs) == (True, [])
    state.close()


def test_what_could_not_be_erased_from_the_log_is_erased_from_it_by_the_next_try(
    disk: Path,
) -> None:
    state = SqliteState(disk / "state")
    state.put_position(StoredPosition(CASE_A, 1, b"sealed-position"))
    rest, state._log.rest = state._log.rest, broken_rest  # type: ignore[method-assign]  # on this one object
    with pytest.raises(StorageError, match="no room"):
        state.erase_positions(CASE_A, 1)
    state._log.rest = rest  # type: ignore[method-assign]  # on this one object
    assert state.positions() == []
    state.erase_positions(CASE_A, 1)
    assert not any(b"sealed-position" in path.read_bytes() for path in (disk / "state").iterdir())
    state.close()


def test_a_long_log_asks_for_a_rest(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_log, "FULL_BYTES", 3000)
    state = SqliteState(disk / "state")
    assert (state.needs_rest, state.is_log_full) == (False, False)
    for number in range(1, 4):
        commit(state, number)
    assert (state.needs_rest, state.is_log_full) == (True, True)
    state.rest()
    assert (state.needs_rest, state.is_log_full) == (False, False)
    state.close()


def test_a_power_cut_while_the_log_is_emptied_leaves_none_that_is_missed(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SqliteState(disk / "state")
    commit(state, 1)
    found, begin = seen(state), kept_log._commit_nothing

    def cut(database: sqlite3.Connection) -> None:
        log = disk / "state" / LOG_NAME
        if log.stat().st_size == 0:  # emptied, and not begun again
            shutil.copytree(disk / "state", disk / "left")
        begin(database)

    monkeypatch.setattr(kept_log, "_commit_nothing", cut)
    state.rest()
    state.close()
    assert reopened(disk / "left") == found


def test_a_state_that_is_dropped_and_never_closed_expects_no_log(disk: Path) -> None:
    state = SqliteState(disk / "state")
    commit(state, 1)
    found = seen(state)
    del state
    assert [file.name for file in (disk / "state").iterdir()] == [FILE_NAME]
    assert reopened(disk / "state") == found


def test_a_state_that_is_dropped_in_another_thread_is_let_go_there(disk: Path) -> None:
    """The cycle collector runs in whatever thread allocates next."""
    states = [SqliteState(disk / "state")]
    commit(states[0], 1)
    found = seen(states[0])
    dropping = threading.Thread(target=states.clear)
    dropping.start()
    dropping.join()
    assert [file.name for file in (disk / "state").iterdir()] == [FILE_NAME]
    assert reopened(disk / "state") == found


@pytest.mark.parametrize("end", ["sys.exit(0)", "raise ZeroDivisionError", "os._exit(1)"])
def test_however_a_process_ends_the_next_start_finds_all(disk: Path, end: str) -> None:
    program = (
        "import os, sys, pathlib; from tcu_agent.adapters.storage.store import SqliteState\n"
        f"state = SqliteState(pathlib.Path({str(disk / 'state')!r}))\n"
        f"state.commit(puts={{'k': b'v'}}); state.me = state\n{end}"
    )
    subprocess.run([sys.executable, "-c", program], check=False, stderr=subprocess.DEVNULL)
    left = {file.name for file in (disk / "state").iterdir()}
    assert left == ({FILE_NAME, LOG_NAME, LOG_MARK} if "_exit" in end else {FILE_NAME})
    state = SqliteState(disk / "state")
    assert state.load() == {"k": b"v"}
    state.close()


def test_a_full_disk_at_the_end_leaves_a_state_that_opens(disk: Path) -> None:
    state = SqliteState(disk / "state")
    commit(state, 1)
    found = seen(state)
    state._database.execute("PRAGMA query_only = ON")  # what does not write to page 1 goes on
    state.close()
    assert reopened(disk / "state") == found
