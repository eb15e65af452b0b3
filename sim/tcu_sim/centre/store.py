"""A service's own SQLite database: private file, every transaction on the disk before the answer goes out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tcu_sim.errors import BadInput
from tcu_sim.pki.files import make_private_directory

IN_MEMORY = ":memory:"
SCHEMA_VERSION = 2
"""Of all services' databases together. 2: the theft desk tells streams apart."""


def open_store(path: Path | str, schema: str) -> sqlite3.Connection:
    """Open (or make) a database with `schema`.

    Deleted content is overwritten, not merely forgotten.

    Raises:
        BadInput: a newer simulator wrote it.
    """
    if path != IN_MEMORY:
        make_private_directory(Path(path).parent)
        Path(path).touch(mode=0o600)
    database = sqlite3.connect(path, isolation_level=None)
    database.row_factory = sqlite3.Row
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found > SCHEMA_VERSION:
        database.close()
        raise BadInput(
            f"{path}: schema {found} is newer than this simulator's {SCHEMA_VERSION};"
            " start the one that wrote it"
        )
    for pragma in ("journal_mode = TRUNCATE", "synchronous = FULL", "secure_delete = ON"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(schema)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it; a block inside another is part of that one.

    Nothing may be awaited inside: another task's changes would become part of it.
    """
    if database.in_transaction:
        yield
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
