"""The write-ahead log of an open database: emptied in quiet moments, so that next to nothing is in it alone.

What is left in it between two such moments is guarded by `write_ahead_log`, which cannot tell damage of the last commit
from one that a power cut has torn. Reasons: docs/adr/0014.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from pathlib import Path
from typing import Final

from tcu_agent.adapters.storage import schema
from tcu_agent.adapters.storage.state_directory import StateDirectory

FULL_BYTES: Final = 4 << 20
"""About a thousand commits: longer than that, nobody waits for a quiet moment."""
ROOM_BYTES: Final = 64 << 10
"""Five commits and more: a burst is over by then, and a rest gives room again."""


class KeptLog:
    """Its methods let SQLite's and the system's errors through: the store says what they mean."""

    def __init__(
        self, database: sqlite3.Connection, *, file: Path, directory: StateDirectory
    ) -> None:
        self._database = database
        self._file = file
        self._directory = directory
        self.is_rested = False
        """The log holds nothing that could be lost with it."""
        self.is_soiled = False
        """A commit has failed, and may have left some of itself behind the last whole one: `rest` alone ends that."""
        self.has_erased = False
        """What was erased from the tables may still lie in the log, or in the file's pages below it."""
        # A connection that is dropped is closed by Python, and SQLite then takes the log away: the mark must not stay.
        self.let_go = weakref.finalize(self, _let_go, database, directory)

    @property
    def is_full(self) -> bool:
        """Whether `rest` should not wait any longer."""
        try:
            return self._file.stat().st_size > FULL_BYTES
        except OSError:
            return False

    def rest(self) -> None:
        """Copy the log into the file, and begin a new one whose head and whose room are on the disk already."""
        if self.is_rested:
            return
        _empty(self._database, self._directory)
        _commit_nothing(self._database)
        with contextlib.suppress(OSError):  # on a full disk commits are as dear as without it
            _make_room(self._file)
        self._directory.expect_log()
        self.is_rested, self.is_soiled, self.has_erased = True, False, False

    def abandon(self) -> None:
        """Close without a commit of our own: the file is evidence."""
        self.let_go.detach()
        with contextlib.suppress(OSError):
            self._directory.expect_no_log()
        self._database.close()
        self._directory.close()


def _empty(database: sqlite3.Connection, directory: StateDirectory) -> None:
    # While pages are copied, damage of the last commit would mix it with the one before: this one says nothing.
    _commit_nothing(database)
    directory.expect_no_log()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _commit_nothing(database: sqlite3.Connection) -> None:
    """Commit page 1 as it is."""
    database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}").fetchall()


def _make_room(log: Path) -> None:
    """Write zeros behind the log's only commit: neither SQLite nor `write_ahead_log` takes them for a frame.

    A commit that overwrites them changes neither the file's length nor its blocks, which would have to become durable
    with it.
    """
    with log.open("r+b", buffering=0) as stream:
        used_bytes = stream.seek(0, os.SEEK_END)
        stream.write(bytes(max(0, ROOM_BYTES - used_bytes)))
        os.fdatasync(stream.fileno())


def _let_go(database: sqlite3.Connection, directory: StateDirectory) -> None:
    with contextlib.suppress(sqlite3.Error, OSError):
        _empty(database, directory)
    with contextlib.suppress(OSError):
        directory.expect_no_log()
    database.close()
    directory.close()
