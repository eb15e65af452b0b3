"""The tables of the store, version by version: made, recognised before anything is opened, and brought up to date."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from tcu_agent.adapters.storage.checksum import position_checksum
from tcu_agent.errors import StorageError

SCHEMA_VERSION: Final = 2
"""1: as it was. 2: positions carry a checksum; the record of a SecOC freshness has a version."""
APPLICATION_ID: Final = 0x54435541
""""TCUA": tells our file from any other database."""
DATABASE_HEADER_BYTES: Final = 100

_MAGIC: Final = b"SQLite format 3\0"
_USER_VERSION_AT: Final = 60
_APPLICATION_ID_AT: Final = 68
"""Source: SQLite, Database File Format, section 1.3, The Database Header; numbers of 4 bytes, big-endian."""

_POSITION_TABLE: Final = """
CREATE TABLE position (
    case_id BLOB NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, checksum BLOB NOT NULL,
    PRIMARY KEY (case_id, seq)
) STRICT;
"""
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE record (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, checksum BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload BLOB NOT NULL, checksum BLOB NOT NULL
) STRICT;
{_POSITION_TABLE.strip()}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def make_file(path: Path) -> None:
    """Make the file complete under another name first; its name is durable once the directory is synced.

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


def read_version(database_header: bytes) -> int:
    """Return the version of the schema, from the first 100 bytes of page 1.

    Raises:
        StorageError: not ours, or newer than this agent's.
    """
    version = _number(database_header, _USER_VERSION_AT)
    if (
        not database_header.startswith(_MAGIC)
        or _number(database_header, _APPLICATION_ID_AT) != APPLICATION_ID
        or version < 1
    ):
        raise StorageError("is not the state of a tcu-agent, or was cut short")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"schema {version} is newer than this agent's {SCHEMA_VERSION};"
            " start the agent that wrote it"
        )
    return version


def upgrade(database: sqlite3.Connection, version: int) -> None:
    """Bring tables of an earlier version up to date, inside the caller's transaction."""
    if version < 2:  # noqa: PLR2004 - a version number is its own name
        _give_positions_a_checksum(database)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _give_positions_a_checksum(database: sqlite3.Connection) -> None:
    rows = database.execute("SELECT case_id, seq, payload FROM position").fetchall()
    database.execute("DROP TABLE position")
    database.execute(_POSITION_TABLE)
    database.executemany(
        "INSERT INTO position VALUES (?, ?, ?, ?)",
        [(*row, position_checksum(*row)) for row in rows],
    )


def _number(header: bytes, at: int) -> int:
    return int.from_bytes(header[at : at + 4], "big")
