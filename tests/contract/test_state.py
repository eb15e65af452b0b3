"""Both stores keep the promises of the `StatePort`, and SQLite's fails closed when it is damaged."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.state_directory import LOG_MARK
from tcu_agent.adapters.storage.store import FILE_NAME, SqliteState, StateInUse
from tcu_agent.errors import BadInput, DamagedMessageError, StorageError
from tcu_agent.ports import StatePort, StoredPosition
from tcu_agent.protocol.messages import Common, Event, Result
from tcu_agent.protocol.vocabulary import (
    EventKind,
    LockState,
    Outcome,
    Reason,
    Relock,
    Service,
)
from tcu_sim.bench.ports import InMemoryState

STREAM = bytes(range(8))
SYNCHRONOUS_FULL = 2
"""Source: SQLite, PRAGMA synchronous."""
CASE_A, CASE_B = b"A" * 16, b"B" * 16


def event(seq: int) -> Event:
    return Event(
        vehicle_id="car-1",
        boot_id=bytes(8),
        kind=EventKind.STATE_CHANGED,
        seq=seq,
        boot_time_ms=1_000_000 + seq,
        wall_time_ms=0,
        stream_id=STREAM,
        values={"Vehicle.Cabin.Door.Row1.DriverSide.IsLocked": None, "Vehicle.UsageMode": "active"},
    )


def result(seq: int) -> Result:
    common = Common(
        vehicle_id="car-1",
        service=Service.UNLOCK,
        request_id=bytes(16),
        nonce=bytes(16),
        boot_id=bytes(8),
    )
    return Result(
        common=common,
        outcome=Outcome.EXECUTED,
        reason=Reason.NONE,
        grant_hash=bytes(32),
        locks={0: LockState.UNLOCKED, 4: LockState.UNKNOWN},
        relock=Relock.AGENT,
        seq=seq,
        stream_id=STREAM,
    )


class Store:
    """A state that can be closed and opened again, as a restart does."""

    def __init__(self, open_again: Callable[[], StatePort]) -> None:
        self._open_again = open_again
        self.state = open_again()

    def restart(self) -> None:
        if isinstance(self.state, SqliteState):
            self.state.close()
        self.state = self._open_again()

    def close(self) -> None:
        if isinstance(self.state, SqliteState):
            self.state.close()


@pytest.fixture(params=["sqlite", "in-memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        store = Store(lambda: SqliteState(tmp_path / "state"))
    else:
        memory = InMemoryState()
        store = Store(lambda: memory)
    yield store
    store.close()


def test_a_first_start_finds_nothing(store: Store) -> None:
    assert store.state.load() == {}
    assert store.state.outbox(after_seq=0, limit=10) == []
    assert store.state.positions() == []


def test_what_was_put_survives_a_restart_and_none_deletes(store: Store) -> None:
    store.state.commit(puts={"a": b"1", "b": b"2", "c": b""})
    store.state.commit(puts={"a": b"3", "b": None, "never-there": None})
    store.restart()
    assert store.state.load() == {"a": b"3", "c": b""}


def test_the_outbox_comes_back_in_order_as_it_was_put_in(store: Store) -> None:
    store.state.commit(puts={}, append=[event(1), result(2)])
    store.state.commit(puts={}, append=[event(5)])
    store.restart()
    assert store.state.outbox(after_seq=0, limit=10) == [event(1), result(2), event(5)]
    assert store.state.outbox(after_seq=1, limit=1) == [result(2)]
    assert store.state.outbox(after_seq=5, limit=10) == []


def test_what_is_acknowledged_is_gone_and_the_rest_stays(store: Store) -> None:
    store.state.commit(puts={}, append=[event(1), event(2), event(3)])
    store.state.commit(puts={}, append=[event(4)], acknowledged=2)
    store.restart()
    assert [m.seq for m in store.state.outbox(after_seq=0, limit=10)] == [3, 4]


def test_a_message_is_replaced_where_it_stands_or_taken_away(store: Store) -> None:
    store.state.commit(puts={}, append=[event(1), result(2), event(3)])
    store.state.replace(2, by=event(2))
    store.state.replace(3, by=None)
    store.restart()
    assert store.state.outbox(after_seq=0, limit=10) == [event(1), event(2)]


def test_a_transaction_that_fails_leaves_nothing_of_itself(store: Store) -> None:
    store.state.commit(puts={"mark": b"1"}, append=[event(1)])
    with pytest.raises(StorageError):
        store.state.commit(puts={"mark": b"2"}, append=[event(2), event(1)], acknowledged=1)
    assert store.state.load() == {"mark": b"1"}
    assert [m.seq for m in store.state.outbox(after_seq=0, limit=10)] == [1]
    store.state.commit(puts={"mark": b"3"}, append=[event(2)])
    assert store.state.load() == {"mark": b"3"}


def test_positions_are_kept_by_case_and_seq_and_erased_by_case(store: Store) -> None:
    stored = [StoredPosition(CASE_B, 1, b"b1"), StoredPosition(CASE_A, 2, b"a2")]
    for position in [*stored, StoredPosition(CASE_A, 1, b"a1"), StoredPosition(CASE_A, 3, b"a3")]:
        store.state.put_position(position)
    store.state.erase_positions(CASE_A, 1)
    store.restart()
    kept = [(p.case_id, p.seq, p.payload) for p in store.state.positions()]
    assert kept == [(CASE_A, 2, b"a2"), (CASE_A, 3, b"a3"), (CASE_B, 1, b"b1")]
    store.state.erase_positions(CASE_A, None)
    assert [p.case_id for p in store.state.positions()] == [CASE_B]


def test_a_position_stored_again_replaces_itself(store: Store) -> None:
    store.state.put_position(StoredPosition(CASE_A, 1, b"first"))
    store.state.put_position(StoredPosition(CASE_A, 1, b"again"))
    assert [p.payload for p in store.state.positions()] == [b"again"]


def test_positions_are_read_page_by_page(store: Store) -> None:
    places = [(CASE_A, 1), (CASE_A, 2), (CASE_A, 10), (CASE_B, 1)]
    for case_id, seq in reversed(places):
        store.state.put_position(StoredPosition(case_id, seq, b"sealed"))
    read = [(p.case_id, p.seq) for p in store.state.positions(limit=3)]
    assert read == places[:3]
    for number, place in enumerate(places, start=1):
        behind = store.state.positions(after=place, limit=2)
        assert [(p.case_id, p.seq) for p in behind] == places[number : number + 2]


def test_a_position_and_what_is_put_with_it_are_one_transaction(store: Store) -> None:
    store.state.put_position(StoredPosition(CASE_A, 1, b"a1"), puts={"cases": b"1", "gone": None})
    store.restart()
    assert store.state.load() == {"cases": b"1"}
    assert [p.seq for p in store.state.positions()] == [1]


# ----------------------------------------------------------------------------- SQLite's alone


@pytest.fixture
def file(tmp_path: Path) -> Path:
    state = SqliteState(tmp_path)
    state.commit(puts={"mark": b"41"}, append=[event(1)])
    state.put_position(StoredPosition(CASE_A, 1, b"sealed-position"))
    state.close()
    return tmp_path / FILE_NAME


def test_a_position_that_cannot_be_stored_leaves_nothing_of_what_is_put_with_it(
    tmp_path: Path,
) -> None:
    state = SqliteState(tmp_path)
    state.commit(puts={"cases": b"1"})
    state._database.execute("DROP TABLE position")
    with pytest.raises(StorageError):
        state.put_position(StoredPosition(CASE_A, 2, b"a2"), puts={"cases": b"2"})
    assert state.load() == {"cases": b"1"}
    state.close()


@pytest.fixture(autouse=True)
def _narrow(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)


def alter(file: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(file)
    with database:
        database.execute(statement, values)
    database.close()


def test_a_flipped_bit_in_a_value_is_seen(file: Path) -> None:
    alter(file, "UPDATE record SET value = ?", b"40")
    state = SqliteState(file.parent)
    with pytest.raises(StorageError, match="checksum"):
        state.load()
    state.close()


def test_a_flipped_bit_in_the_outbox_is_seen(file: Path) -> None:
    alter(file, "UPDATE outbox SET payload = CAST(payload || x'00' AS BLOB)")
    state = SqliteState(file.parent)
    with pytest.raises(StorageError, match="checksum"):
        state.outbox(after_seq=0, limit=10)
    state.close()


SPOILED = {
    "payload": "UPDATE outbox SET payload = CAST(payload || x'00' AS BLOB) WHERE seq = 3",
    "kind": "UPDATE outbox SET kind = 'evenu' WHERE seq = 3",
    "kind that is no text": "UPDATE outbox SET kind = CAST(x'ff' AS TEXT) WHERE seq = 3",
    "number": "UPDATE outbox SET seq = 9 WHERE seq = 3",
    "checksum": "UPDATE outbox SET checksum = x'' WHERE seq = 3",
}


@pytest.mark.parametrize("spoiling", SPOILED.values(), ids=SPOILED)
def test_a_damaged_message_hides_none_before_it_and_none_behind_it(
    tmp_path: Path, spoiling: str
) -> None:
    state = SqliteState(tmp_path)
    state.commit(puts={}, append=[event(1), result(3), event(10)])
    state.close()
    alter(tmp_path / FILE_NAME, spoiling)
    state = SqliteState(tmp_path)
    assert state.outbox(after_seq=0, limit=10) == [event(1)]
    with pytest.raises(DamagedMessageError) as damage:
        state.outbox(after_seq=1, limit=10)
    assert damage.value.after_seq == 1
    assert state.outbox(after_seq=damage.value.seq, limit=10) == [event(10)]
    state.close()


DISPLACED = {
    "payload": "UPDATE position SET payload = CAST(payload || x'00' AS BLOB) WHERE seq = 2",
    "number": "UPDATE position SET seq = 4 WHERE seq = 2",
    "case": "UPDATE position SET case_id = x'00' WHERE seq = 2",
    "checksum": "UPDATE position SET checksum = x'' WHERE seq = 2",
}


@pytest.mark.parametrize("spoiling", DISPLACED.values(), ids=DISPLACED)
def test_a_damaged_position_is_left_out_and_no_other(tmp_path: Path, spoiling: str) -> None:
    state = SqliteState(tmp_path)
    stored = [StoredPosition(CASE_A, seq, b"sealed") for seq in (1, 2, 3)]
    for position in stored:
        state.put_position(position)
    state.close()
    alter(tmp_path / FILE_NAME, spoiling)
    state = SqliteState(tmp_path)
    assert state.positions() == [stored[0], stored[2]]
    assert state.positions(limit=2) == [stored[0], stored[2]], "it takes nobody's place"
    state.close()


def test_the_name_of_a_new_file_is_on_the_disk_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    fsync = os.fsync

    def note(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink() == tmp_path:
            synced.append({file.name for file in tmp_path.iterdir()})
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    state = SqliteState(tmp_path)
    assert synced[0] == {FILE_NAME}
    assert LOG_MARK in synced[-1]
    state.close()
    assert LOG_MARK not in synced[-1]


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_a_file_that_was_cut_short_is_refused_and_left_as_it_is(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(StorageError):
        SqliteState(file.parent)
    assert file.stat().st_size == length


def test_a_file_of_noise_is_refused(file: Path) -> None:
    file.write_bytes(b"noise" * 4096)
    with pytest.raises(StorageError):
        SqliteState(file.parent)


def test_damage_within_a_page_is_seen_at_the_start(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 + 3 : 4096 + 8] = b"\xff" * 5
    file.write_bytes(content)
    with pytest.raises(StorageError):
        SqliteState(file.parent).load()


def test_a_newer_schema_is_refused_with_what_to_do(file: Path) -> None:
    alter(file, "PRAGMA user_version = 3")
    with pytest.raises(StorageError, match="schema 3 is newer than this agent's 2"):
        SqliteState(file.parent)


def test_a_foreign_database_is_refused(file: Path) -> None:
    alter(file, "PRAGMA application_id = 1")
    with pytest.raises(StorageError, match="not the state of a tcu-agent"):
        SqliteState(file.parent)


def test_a_commit_waits_for_the_disk_each_time(tmp_path: Path) -> None:
    # Only a power cut shows the difference (`make power-cut`), so that what asks for it is looked at here.
    state = SqliteState(tmp_path / "state")
    ((level,),) = state._database.execute("PRAGMA synchronous")
    assert level == SYNCHRONOUS_FULL
    state.close()


def test_a_second_agent_on_the_same_state_is_refused(tmp_path: Path) -> None:
    first = SqliteState(tmp_path)
    with pytest.raises(BadInput, match="another tcu-agent uses this state"):
        SqliteState(tmp_path)
    first.close()


def test_the_directory_is_locked_before_anything_in_it_is_looked_at(tmp_path: Path) -> None:
    """SQLite's own lock comes later: until then two agents would read, or make, one state."""
    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    with pytest.raises(StateInUse):
        SqliteState(tmp_path)
    assert list(tmp_path.iterdir()) == []
    fcntl.flock(directory, fcntl.LOCK_UN)
    state = SqliteState(tmp_path)
    with pytest.raises(BlockingIOError):
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    state.close()
    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(directory)


def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with pytest.raises(BadInput, match="open to others"):
        SqliteState(tmp_path)


def test_the_directory_and_the_file_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    SqliteState(tmp_path / "a" / "state").close()
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "state" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_state_directory_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="see \\[state\\] directory"):
        SqliteState(tmp_path / "file")


def test_an_unfinished_first_start_starts_again(tmp_path: Path) -> None:
    (tmp_path / "state.new").write_bytes(b"half")
    state = SqliteState(tmp_path)
    assert state.load() == {}
    state.close()


def test_an_erased_position_is_in_no_file_any_more(tmp_path: Path) -> None:
    state = SqliteState(tmp_path)
    state.put_position(StoredPosition(CASE_A, 1, b"sealed-position"))
    assert any(b"sealed-position" in path.read_bytes() for path in tmp_path.iterdir())
    state.erase_positions(CASE_A, None)
    assert not any(b"sealed-position" in path.read_bytes() for path in tmp_path.iterdir())
    state.close()
