"""What is in the state's directory, seen before SQLite opens it: SQLite would write to what is damaged or newer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tcu_agent.adapters.storage import schema
from tcu_agent.adapters.storage.state_directory import StateDirectory
from tcu_agent.adapters.storage.write_ahead_log import Commits, read_log
from tcu_agent.errors import StorageError

FILE_NAME: Final = "state.sqlite"
LOG_NAME: Final = FILE_NAME + "-wal"
MAX_LOG_BYTES: Final = 64 << 20
"""Sixteen times what the store lets it grow to."""


def look_first(directory: StateDirectory) -> int:
    """Return the schema's version; make the file where there is none.

    Raises:
        StorageError: damaged, or of a newer agent. Nothing was written.
        OSError: not readable.
    """
    file, log = directory.path / FILE_NAME, directory.path / LOG_NAME
    try:
        commits = _read_log(log)
        if directory.is_log_expected and not commits.count:
            raise StorageError("corrupt: the write-ahead log has lost its commits")
    except StorageError as error:
        raise StorageError(f"{log}: {error}") from error
    try:
        if not file.exists():
            if commits.count:
                raise StorageError("is gone, and its log is still there")
            schema.make_file(file)
            directory.sync()
        return schema.read_version(commits.first_page or _database_header(file))
    except StorageError as error:
        raise StorageError(f"{file}: {error}") from error


def _read_log(log: Path) -> Commits:
    try:
        with log.open("rb") as stream:
            content = stream.read(MAX_LOG_BYTES + 1)
    except FileNotFoundError:
        return Commits()
    if len(content) > MAX_LOG_BYTES:
        raise StorageError("corrupt: longer than any write-ahead log of a tcu-agent")
    return read_log(content)


def _database_header(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(schema.DATABASE_HEADER_BYTES)
