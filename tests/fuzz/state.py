"""Targets: what lies on the board's disk. Each durable record, the rows of the store, and the database file itself."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path

from tcu_agent.adapters.storage.checksum import checksum as checksum_of
from tcu_agent.adapters.storage.first_look import FILE_NAME, LOG_NAME
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.adapters.storage.stored_message import pack
from tcu_agent.adapters.storage.write_ahead_log import read_log
from tcu_agent.core.durable import records
from tcu_agent.core.events import MessageArrived
from tcu_agent.core.position.cases import FIRST_FORM_SCHEMA
from tcu_agent.core.theft.alarm_record import AlarmRecord
from tcu_agent.core.theft.tow_record import TowRecord
from tcu_agent.errors import DamagedMessageError, StorageError
from tcu_agent.ports import StatePort, StoredPosition
from tcu_agent.protocol.vocabulary import Service
from tcu_agent.runtime.freshness import StoredFreshness, write_freshness
from tests.core.driver import Driver
from tests.fuzz.target import Target, scratch
from tests.protocol import signing

FRESHNESS = "secoc/body/central-locking"
OPEN_MATTERS_S = 700.0
"""Longer than any call, tracking or re-lock of the settings below goes on: whatever was restored has to end."""


@cache
def good_records() -> dict[str, bytes]:
    """Return the records of a car in which everything that can be open is open."""
    car = Driver()
    car.provision()
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(0.2)
    car.allow(Service.UNLOCK, parameters=signing.ARMED)
    car.allow(Service.POSITION, parameters=signing.TRACKING)
    car.pass_time(11)
    car.change({"Vehicle.TCU.OnCall.IsButtonPressed": True})
    car.pass_time(0.2)
    return {
        **car.stored,
        records.ALARM: AlarmRecord(
            due_at=1300.0, boot_session="session-1", is_told=False
        ).to_bytes(),
        records.TOW: TowRecord(seen_wall=1_800_000_000.0).to_bytes(),
        records.CASES: records.pack(FIRST_FORM_SCHEMA, 1, b"C" * 16, 3, False),
    }


KEYS = (
    records.ACCOUNT,
    records.CALL,
    records.JOURNAL,
    records.OUTCOME_PREFIX,
    records.POSITION,
    records.CASES,
    records.RELOCK,
    records.MARKS,
    records.TRUST,
    records.UNLOCK,
    records.PARKED,
    records.ALARM,
    records.TOW,
    records.CASE_PREFIX,
)
"""New ones go to the end: what was once found names its record by its place here."""


def record_keys() -> list[str]:
    """Return the keys of all records, in the order of `KEYS`."""
    return [
        next(each for each in good_records() if each.startswith(key)) if key.endswith("/") else key
        for key in KEYS
    ]


def restore_record(data: bytes) -> bool:
    """`data`: a byte for the record, one for "the kernel booted too", then the record.

    The core starts on it, lives for a while and hears a forged message. It never raises; what cannot be read makes
    everything remote fail closed (ON CALL alone goes on).
    """
    if len(data) < 2:
        return False
    keys = record_keys()
    key = keys[data[0] % len(keys)]
    car = Driver(stored={**good_records(), key: data[2:]}, boot_session=f"session-{data[1] % 2}")
    is_corrupt = bool(car.core.snapshot()["is_corrupt"])
    before = len(car.unlock_frames)
    car.put(MessageArrived("grant", b"", retained=False, random=bytes(16)))
    car.pass_time(1)
    car.jump(OPEN_MATTERS_S)
    car.settle()
    assert len(car.unlock_frames) == before
    if is_corrupt:
        assert not car.positions
    return not is_corrupt


def stored_records() -> Iterable[bytes]:
    """The good records."""
    for number, key in enumerate(record_keys()):
        for session in b"\x00\x01":
            yield bytes([number, session]) + good_records().get(key, b"")


def read_freshness(data: bytes) -> bool:
    """The SecOC freshness value as it is stored."""
    try:
        value = StoredFreshness(key=FRESHNESS, stored={FRESHNESS: data}, state=_NOWHERE).load()
    except StorageError:
        return False
    assert 0 <= value < 1 << 64
    return True


# ------------------------------------------------------------------ rows and the file


@cache
def _good_state() -> bytes:
    """Return a database file with records, outbox and positions in it."""
    car = Driver()
    car.provision()
    car.allow(Service.UNLOCK)
    car.pass_time(1)
    folder = scratch() / "good-state"
    state = SqliteState(folder)
    state.commit(puts=good_records(), append=list(car.appended()))
    state.put_position(StoredPosition(bytes(16), 1, bytes(100)))
    state.close()
    return (folder / FILE_NAME).read_bytes()


def _laid(content: bytes) -> Path:
    folder = scratch() / "state"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).write_bytes(content)
    return folder


def _use(folder: Path) -> bool:
    """Open a state, read everything, write to it; whatever is wrong is a `StorageError`."""
    try:
        state = SqliteState(folder)
    except StorageError:
        return False
    try:
        return _read_all(state)
    finally:
        state.close()


def _read_all(state: SqliteState) -> bool:
    is_whole = True
    for action in (state.load, state.positions, lambda: _drain(state), lambda: _write(state)):
        try:
            action()
        except StorageError:
            is_whole = False
    return is_whole


def _drain(state: StatePort) -> None:
    """Go through the outbox as the runtime does: what is damaged is given up."""
    seq = damaged = 0
    while damaged < 10:
        try:
            batch = state.outbox(after_seq=seq, limit=2)
        except DamagedMessageError as error:
            damaged += 1
            state.replace(error.seq, by=None)
            seq = max(seq, error.seq)
            continue
        if not batch:
            break
        seq = batch[-1].seq
    if damaged:
        raise StorageError("damaged messages")


def _write(state: StatePort) -> None:
    state.commit(puts={"x": b"y"}, acknowledged=1)
    state.erase_positions(bytes(16), None)


def open_file(data: bytes) -> bool:
    """Any bytes as the database file."""
    return _use(_laid(data))


def files() -> Iterable[bytes]:
    """A good database file."""
    yield _good_state()


@cache
def _dead_state() -> Path:
    """Return the folder of a process that died after some commits: nothing of them is in the file yet."""
    folder = scratch() / "dying-state"
    state = SqliteState(folder)
    for number in range(4):
        state.commit(puts={"newest": bytes([number])})
    dead = scratch() / "dead-state"
    shutil.copytree(folder, dead)
    state.close()
    return dead


def open_log(data: bytes) -> bool:
    """Any bytes as the write-ahead log: SQLite takes from it exactly what we said that it would, or is not asked."""
    folder = _laid((_dead_state() / FILE_NAME).read_bytes())
    (folder / LOG_NAME).write_bytes(data)
    try:
        said = read_log(data).count
    except StorageError:
        assert not _use(folder)
        return False
    state = SqliteState(folder)
    try:
        # Behind the one with which a log begins.
        assert state.load() == ({"newest": bytes([said - 2])} if said > 1 else {})
        return _read_all(state)
    finally:
        state.close()


def logs() -> Iterable[bytes]:
    """A good log, and one of its commits less."""
    log = (_dead_state() / LOG_NAME).read_bytes()
    yield log
    yield log[: len(log) // 2]


def open_row(data: bytes) -> bool:
    """`data`: a byte for the table and whether the checksum is right, then what the row holds."""
    if not data:
        return False
    folder = _laid(_good_state())
    choice, content = data[0], data[1:]
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as database:
        _put_row(database, choice, content)
    return _use(folder)


def _put_row(database: sqlite3.Connection, choice: int, content: bytes) -> None:
    is_summed = bool(choice & 0x80)
    kind = ("result", "event", content[:8].decode("latin-1"))[choice % 3]
    if choice & 0x40:
        checksum = checksum_of(b"key", content) if is_summed else content[:8]
        database.execute("INSERT INTO record VALUES ('key', ?, ?)", (content, checksum))
    elif choice & 0x20:
        database.execute(
            "INSERT INTO position VALUES (?, ?, ?, ?)", (content[:16], 7, content, content[:8])
        )
    elif choice & 0x10:
        # Another program's table of the same name: nothing forces the types that ours has.
        database.execute("DROP TABLE record")
        database.execute("CREATE TABLE record (key, value, checksum)")
        database.execute(
            "INSERT INTO record VALUES (?, ?, ?)",
            (content[:2] or None, len(content), content[2:].decode("latin-1")),
        )
    else:
        checksum = checksum_of(kind.encode(), content) if is_summed else content[:8]
        seq = int.from_bytes(content[8:10], "big") + 1000
        database.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", (seq, kind, content, checksum))


def rows() -> Iterable[bytes]:
    """Rows of every kind; the messages are good ones."""
    car = Driver()
    car.provision()
    car.allow(Service.UNLOCK)
    car.pass_time(200)
    for message in car.appended():
        kind, payload = pack(message)
        yield bytes([0x80 | (kind == "event")]) + payload
    yield b"\xc0" + b"a record of another program"
    yield b"\x20" + bytes(40)
    yield b"\x10" + b"what is this"


class _Nowhere(SqliteState):
    """Is never asked: a freshness value is only read here."""

    def __init__(self) -> None:
        """Open nothing."""


_NOWHERE = _Nowhere()

TARGETS = (
    Target(
        name="record",
        run=restore_record,
        seeds=stored_records,
        decoder="tcu_agent.core.durable.records.RecordReader.end",
        max_bytes=1024,
    ),
    Target(
        name="freshness",
        run=read_freshness,
        seeds=lambda: (bytes(8), b"\xff" * 8, write_freshness(64)),
        decoder="tests.fuzz.state.StoredFreshness.load",
        max_bytes=64,
    ),
    Target(
        name="store-row",
        run=open_row,
        seeds=rows,
        decoder="tcu_agent.adapters.storage.store.SqliteState.load",
        max_bytes=1024,
    ),
    Target(
        name="store-file",
        run=open_file,
        seeds=files,
        decoder="tcu_agent.adapters.storage.store.SqliteState.load",
        max_bytes=65_536,
    ),
    Target(
        name="store-wal",
        run=open_log,
        seeds=logs,
        decoder="tests.fuzz.state.read_log",
        max_bytes=65_536,
    ),
)
