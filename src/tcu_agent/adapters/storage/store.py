"""Durable state in SQLite: one transaction a call, on the disk when it returns.

WAL with synchronous=FULL makes every commit one fdatasync. Each record carries a checksum, because SQLite
notices a torn page but not a flipped bit inside a value, and a high-water mark with a flipped bit would
let old messages in again. The lock is exclusive: two agents on one state would break every promise.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tcu_agent.adapters.storage.stored_message import pack, unpack
from tcu_agent.errors import BadInput, DamagedMessageError, StorageError
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol.messages import Event, Result

FILE_NAME = "state.sqlite"
SCHEMA_VERSION = 1
_APPLICATION_ID = 0x54435541  # "TCUA": tells our file from any other database
_CHECKSUM_BYTES = 8

_SCHEMA = f"""
BEGIN;
CREATE TABLE record (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, checksum BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload BLOB NOT NULL, checksum BLOB NOT NULL
) STRICT;
CREATE TABLE position (
    case_id BLOB NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (case_id, seq)
) STRICT;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


class StateInUse(BadInput):
    """Another agent has the state open."""


class SqliteState:
    """The `StatePort` in `directory`/state.sqlite."""

    def __init__(self, directory: Path) -> None:
        """Open the state, or make it where there is none.

        Raises:
            BadInput: the directory is open to others.
            StateInUse: another agent has it open.
            StorageError: corrupt, of a newer schema, or not readable. The file is left as it is.
        """
        self._path = directory / FILE_NAME
        prepare_directory(directory)
        with self._converted("cannot be opened"):
            if not self._path.exists():
                _create(self._path)
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file; every commit is already on the disk."""
        self._database.close()

    def load(self) -> Mapping[str, bytes]:
        """Return all keys and values.

        Raises:
            StorageError: unreadable, or a checksum is wrong.
        """
        with self._converted("cannot be read"):
            rows = self._database.execute("SELECT key, value, checksum FROM record").fetchall()
        found: dict[str, bytes] = {}
        for key, value, checksum in rows:
            if not (isinstance(key, str) and isinstance(value, bytes)):
                raise StorageError(f"{self._path}: corrupt: a record of another kind")
            self._verify(checksum, key.encode(errors="replace"), value)
            found[key] = value
        return found

    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it or nothing; None as a value deletes the key.

        Raises:
            StorageError: not durable; nothing of it happened.
        """
        with self._transaction() as database:
            for key, value in puts.items():
                _put(database, key, value)
            for message in append:
                _append(database, message)
            if acknowledged is not None:
                database.execute("DELETE FROM outbox WHERE seq <= ?", (acknowledged,))

    def outbox(self, *, after_seq: int, limit: int) -> Sequence[Result | Event]:
        """Return stored results and events with a seq above `after_seq`, in order, at most `limit`.

        Raises:
            DamagedMessageError: the first of them cannot be read; what stands before a damaged one is returned.
            StorageError: nothing can be read.
        """
        with self._converted("cannot be read"):
            rows = self._database.execute(
                "SELECT seq, CAST(kind AS BLOB), payload, checksum FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
                (after_seq, limit),
            ).fetchall()
        messages: list[Result | Event] = []
        for row in rows:
            try:
                messages.append(self._opened(*row))
            except StorageError as error:
                if messages:
                    break
                raise self._located(error, row[0]) from error
        return messages

    def replace(self, seq: int, *, by: Event | None) -> None:
        """Put `by`, or nothing, where the message stored under `seq` is, whatever that holds.

        A tombstone takes the place of all that it covers.

        Raises:
            StorageError: not durable; the old one is still there.
        """
        first_seq = seq if by is None or by.first_seq is None else by.first_seq
        with self._transaction() as database:
            database.execute("DELETE FROM outbox WHERE seq BETWEEN ? AND ?", (first_seq, seq))
            if by is not None:
                _append(database, by)

    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position and `puts`, all or nothing; the same case and seq again replaces it.

        Raises:
            StorageError: not durable; nothing of it happened.
        """
        with self._transaction() as database:
            for key, value in (puts or {}).items():
                _put(database, key, value)
            database.execute(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
                (position.case_id, position.seq, position.payload),
            )

    def positions(self) -> Sequence[StoredPosition]:
        """Return sealed positions not yet erased, by case and seq.

        Raises:
            StorageError: unreadable.
        """
        with self._converted("cannot be read"):
            rows = self._database.execute(
                "SELECT case_id, seq, payload FROM position ORDER BY case_id, seq"
            ).fetchall()
        return [StoredPosition(case_id, seq, payload) for case_id, seq, payload in rows]

    def erase_positions(self, case_id: bytes, up_to_seq: int | None) -> None:
        """Erase sealed positions of a case, all or up to a seq, from the file and its log.

        Raises:
            StorageError: not durable.
        """
        last = -1 if up_to_seq is None else up_to_seq
        with self._transaction() as database:
            database.execute(
                "DELETE FROM position WHERE case_id = ? AND (? < 0 OR seq <= ?)",
                (case_id, last, last),
            )
        with self._converted("cannot be written"):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _open(self) -> None:
        self._set("locking_mode=EXCLUSIVE")
        self._check()  # before anything that could write to a file that is not ours
        for setting in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._set(setting)

    def _set(self, setting: str) -> None:
        with self._converted("cannot be opened"):
            self._database.execute(f"PRAGMA {setting}").fetchall()

    def _check(self) -> None:
        with self._converted("cannot be read"):
            (application,) = self._database.execute("PRAGMA application_id").fetchone()
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            (verdict,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        if application != _APPLICATION_ID or version < 1:
            raise StorageError(f"{self._path}: is not the state of a tcu-agent, or was cut short")
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"{self._path}: schema {version} is newer than this agent's {SCHEMA_VERSION};"
                " start the agent that wrote it"
            )
        if verdict != "ok":
            raise StorageError(f"{self._path}: corrupt: {verdict}")

    def _opened(self, seq: int, kind: bytes, payload: bytes, checksum: bytes) -> Result | Event:
        # `kind` as bytes: a text that is no UTF-8 any more would fail the whole query.
        self._verify(checksum, kind, payload)
        message = unpack(kind.decode("ascii", "replace"), payload)
        if message.seq != seq:
            raise StorageError(f"{self._path}: corrupt: message {message.seq} is stored as {seq}")
        return message

    def _located(self, error: StorageError, seq: int) -> DamagedMessageError:
        with self._converted("cannot be read"):
            (before,) = self._database.execute(
                "SELECT max(seq) FROM outbox WHERE seq < ?", (seq,)
            ).fetchone()
        return DamagedMessageError(str(error), seq=seq, after_seq=before or 0)

    def _verify(self, checksum: bytes, label: bytes, content: bytes) -> None:
        if checksum != _checksum(label, content):
            raise StorageError(f"{self._path}: corrupt: the checksum of a record is wrong")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._converted("cannot be written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _converted(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise StateInUse(
                    "another tcu-agent uses this state",
                    where=str(self._path),
                    hint="stop it first, or give this one a [state] directory of its own",
                ) from error
            raise StorageError(f"{self._path}: {what}: {error}") from error
        except UnicodeDecodeError as error:
            # A damaged file brings bytes that are no text into SQLite's own messages.
            raise StorageError(f"{self._path}: {what}: damaged") from error
        except OSError as error:
            raise StorageError(f"{self._path}: {what}: {error.strerror}") from error


def prepare_directory(directory: Path) -> None:
    """Make the directory if there is none.

    Raises:
        BadInput: it cannot be made, or is open to others.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode & 0o777
    except OSError as error:
        raise BadInput(
            error.strerror or str(error), where=str(directory), hint="see [state] directory"
        ) from error
    if mode & 0o077:
        raise BadInput(
            f"the state directory is open to others (mode {mode:04o})",
            where=str(directory),
            hint="chmod 700",
        )


def _create(path: Path) -> None:
    """Make the file complete under another name first.

    A power cut in the middle leaves no state at all. An empty file is thus always a damaged one,
    never a first start: otherwise cutting the file short would undo every high-water mark.
    """
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=EXTRA").fetchall()
        database.executescript(_SCHEMA)
    unfinished.rename(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Make the file's name durable too: fsync of a file does not cover its directory entry."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _put(database: sqlite3.Connection, key: str, value: bytes | None) -> None:
    if value is None:
        database.execute("DELETE FROM record WHERE key = ?", (key,))
    else:
        database.execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
            (key, value, _checksum(key.encode(), value)),
        )


def _append(database: sqlite3.Connection, message: Result | Event) -> None:
    kind, payload = pack(message)
    database.execute(
        "INSERT INTO outbox VALUES (?, ?, ?, ?)",
        (message.seq, kind, payload, _checksum(kind.encode(), payload)),
    )


def _checksum(label: bytes, content: bytes) -> bytes:
    return hashlib.sha256(label + b"\0" + content).digest()[:_CHECKSUM_BYTES]
