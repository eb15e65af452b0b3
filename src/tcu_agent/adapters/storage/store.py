"""Durable state in SQLite: one transaction a call, on the disk when it returns.

WAL with synchronous=FULL makes every commit one fdatasync. Each row carries a checksum, because SQLite notices a torn
page but not a flipped bit inside a value, and a high-water mark with a flipped bit would let old messages in again. The
log is looked through before SQLite opens it, and emptied by `rest` whenever there is time: docs/adr/0014. Two agents on
one state would break every promise, so the directory is locked.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from tcu_agent.adapters.storage import schema
from tcu_agent.adapters.storage.checksum import checksum, position_checksum
from tcu_agent.adapters.storage.first_look import FILE_NAME, LOG_NAME, look_first
from tcu_agent.adapters.storage.kept_log import KeptLog
from tcu_agent.adapters.storage.schema import SCHEMA_VERSION
from tcu_agent.adapters.storage.state_directory import StateDirectory, StateInUse, in_use
from tcu_agent.adapters.storage.stored_message import pack, unpack
from tcu_agent.errors import DamagedMessageError, StorageError
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol.messages import Event, Result

__all__ = ["FILE_NAME", "SCHEMA_VERSION", "SqliteState", "StateInUse"]


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
        self._committed: Callable[[frozenset[str]], None] = _tell_nobody
        entered = StateDirectory(directory)
        try:
            with self._converted("cannot be opened"):
                version = look_first(entered)
                # Used by one thread alone, but let go by any: the cycle collector runs where it is called.
                self._database = sqlite3.connect(
                    self._path, isolation_level=None, timeout=0, check_same_thread=False
                )
        except BaseException:
            entered.close()
            raise
        self._log = KeptLog(self._database, file=directory / LOG_NAME, directory=entered)
        try:
            self._open(version)
        except BaseException:
            self._log.abandon()
            raise

    def close(self) -> None:
        """Close the file; every commit is already on the disk, and with this nothing is in the log alone."""
        self._log.let_go()

    def watch(self, committed: Callable[[frozenset[str]], None]) -> None:
        """Call `committed` after each transaction, with the keys of its puts."""
        self._committed = committed

    @property
    def needs_rest(self) -> bool:
        """Whether there is anything to do for `rest`."""
        return not self._log.is_rested

    @property
    def is_log_full(self) -> bool:
        """Whether `rest` should not wait for a quiet moment any longer."""
        return self._log.is_full

    def rest(self) -> None:
        """Leave nothing to the log alone, and make the next commit a single fdatasync.

        Some seven times as dear as a commit: for moments in which nobody waits.

        Raises:
            StorageError: not done; every commit is where it was.
        """
        with self._converted("cannot be written"):
            self._log.rest()

    def load(self) -> Mapping[str, bytes]:
        """Return all keys and values.

        Raises:
            StorageError: unreadable, or a checksum is wrong.
        """
        with self._converted("cannot be read"):
            rows = self._database.execute("SELECT key, value, checksum FROM record").fetchall()
        found: dict[str, bytes] = {}
        for key, value, written in rows:
            if not (isinstance(key, str) and isinstance(value, bytes)):
                raise StorageError(f"{self._path}: corrupt: a record of another kind")
            self._verify(written, key.encode(errors="replace"), value)
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
        with self._transaction(puts) as database:
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
        with self._transaction() as database:
            _replace(database, seq, by)

    def bury(self, tombstones: Iterable[Event]) -> None:
        """Put each tombstone, in this order, in the place of all that it covers; all of it or nothing.

        Raises:
            StorageError: not durable; nothing of it happened.
        """
        with self._transaction() as database:
            for tombstone in tombstones:
                _replace(database, tombstone.seq, tombstone)

    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position and `puts`, all or nothing; the same case and seq again replaces it.

        Raises:
            StorageError: not durable; nothing of it happened.
        """
        with self._transaction(puts or {}) as database:
            for key, value in (puts or {}).items():
                _put(database, key, value)
            row = (position.case_id, position.seq, position.payload)
            database.execute(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)",
                (*row, position_checksum(*row)),
            )

    def positions(
        self, *, after: tuple[bytes, int] | None = None, limit: int | None = None
    ) -> Sequence[StoredPosition]:
        """Return sealed positions not yet erased, by case and seq; a damaged one is left out, as if it were not there.

        `after`: a case and seq, None = from the first on. `limit`: at most so many, None = all.

        Raises:
            StorageError: unreadable.
        """
        with self._converted("cannot be read"), contextlib.closing(self._database.cursor()) as rows:
            # Read row by row: a damaged one must not take the place of a whole one within the limit.
            rows.execute(
                "SELECT case_id, seq, payload, checksum FROM position"
                " WHERE (case_id, seq) > (?, ?) ORDER BY case_id, seq",
                after or (b"", -1),
            )
            whole = (StoredPosition(*row) for *row, written in rows if _is_whole(row, written))
            return list(islice(whole, limit))

    def erase_positions(self, case_id: bytes, up_to_seq: int | None) -> None:
        """Erase sealed positions of a case, all or up to a seq, from the file and its log.

        Raises:
            StorageError: not durable.
        """
        last = -1 if up_to_seq is None else up_to_seq
        if self._has_positions(case_id, last):
            with self._transaction() as database:
                self._log.has_erased = True
                database.execute(
                    "DELETE FROM position WHERE case_id = ? AND (? < 0 OR seq <= ?)",
                    (case_id, last, last),
                )
        # Nothing for an acknowledgement that somebody repeats: a rest is dear, and wears out the flash memory.
        if self._log.has_erased:
            self.rest()

    def _has_positions(self, case_id: bytes, last: int) -> bool:
        with self._converted("cannot be read"):
            row = self._database.execute(
                "SELECT 1 FROM position WHERE case_id = ? AND (? < 0 OR seq <= ?) LIMIT 1",
                (case_id, last, last),
            ).fetchone()
        return row is not None

    def _open(self, version: int) -> None:
        self._set("locking_mode=EXCLUSIVE")
        self._check()  # before anything that could write to a file that is not ours
        # Checkpoints are `rest`'s: one of SQLite's own may fall between an intent and its command.
        for setting in (
            "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "wal_autocheckpoint=0",
        ):  # fmt: skip
            self._set(setting)
        if version < SCHEMA_VERSION:
            with self._transaction() as database:
                schema.upgrade(database, version)
        with contextlib.suppress(StorageError):  # a full disk can still be read
            self.rest()

    def _set(self, setting: str) -> None:
        with self._converted("cannot be opened"):
            self._database.execute(f"PRAGMA {setting}").fetchall()

    def _check(self) -> None:
        with self._converted("cannot be read"):
            (verdict,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise StorageError(f"{self._path}: corrupt: {verdict}")

    def _opened(self, seq: int, kind: bytes, payload: bytes, written: bytes) -> Result | Event:
        # `kind` as bytes: a text that is no UTF-8 any more would fail the whole query.
        self._verify(written, kind, payload)
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

    def _verify(self, written: bytes, label: bytes, content: bytes) -> None:
        if written != checksum(label, content):
            raise StorageError(f"{self._path}: corrupt: the checksum of a record is wrong")

    @contextlib.contextmanager
    def _transaction(self, keys: Iterable[str] = ()) -> Iterator[sqlite3.Connection]:
        if (
            self._log.is_soiled
        ):  # a shorter commit would leave parts of the failed one behind itself: damage, at a start
            self.rest()
        with self._converted("cannot be written"):
            self._database.execute("BEGIN IMMEDIATE")
            self._log.is_rested = False
            try:
                yield self._database
                self._commit(self._database)
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self._committed(frozenset(keys))

    def _commit(self, database: sqlite3.Connection) -> None:
        try:
            database.execute("COMMIT")
        except BaseException:
            self._log.is_soiled = True
            raise

    @contextlib.contextmanager
    def _converted(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise in_use(self._path) from error
            raise StorageError(f"{self._path}: {what}: {error}") from error
        except UnicodeDecodeError as error:
            # A damaged file brings bytes that are no text into SQLite's own messages.
            raise StorageError(f"{self._path}: {what}: damaged") from error
        except OSError as error:
            raise StorageError(f"{self._path}: {what}: {error.strerror}") from error


def _tell_nobody(_keys: frozenset[str]) -> None:
    """Nobody watches."""


def _is_whole(row: Sequence[object], written: object) -> bool:
    match row:
        case [bytes(case_id), int(seq), bytes(payload)]:
            return written == position_checksum(case_id, seq, payload)
        case _:
            return False


def _put(database: sqlite3.Connection, key: str, value: bytes | None) -> None:
    if value is None:
        database.execute("DELETE FROM record WHERE key = ?", (key,))
    else:
        database.execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
            (key, value, checksum(key.encode(), value)),
        )


def _replace(database: sqlite3.Connection, seq: int, by: Event | None) -> None:
    first_seq = seq if by is None or by.first_seq is None else by.first_seq
    database.execute("DELETE FROM outbox WHERE seq BETWEEN ? AND ?", (first_seq, seq))
    if by is not None:
        _append(database, by)


def _append(database: sqlite3.Connection, message: Result | Event) -> None:
    kind, payload = pack(message)
    database.execute(
        "INSERT INTO outbox VALUES (?, ?, ?, ?)",
        (message.seq, kind, payload, checksum(kind.encode(), payload)),
    )
