"""The directory that holds the state: for its owner alone, for one process at a time, its entries durable."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from tcu_agent.errors import BadInput

LOG_MARK: Final = "state.log-expected"
"""An empty file. It is there while the log must hold a commit: a log that is gone, or empty, was damaged then."""


class StateInUse(BadInput):
    """Another agent has the state open."""


class StateDirectory:
    """One directory, locked until `close`."""

    def __init__(self, path: Path) -> None:
        """Make it if there is none, and lock it.

        Raises:
            BadInput: it cannot be made, or is open to others.
            StateInUse: another process has locked it.
        """
        prepare_directory(path)
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _not_usable(path, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise in_use(path) from error

    def close(self) -> None:
        """Unlock it."""
        os.close(self._fd)

    def sync(self) -> None:
        """Make names durable too: fsync of a file does not cover its directory entry."""
        os.fsync(self._fd)

    @property
    def is_log_expected(self) -> bool:
        """Whether the log must hold a commit."""
        return (self.path / LOG_MARK).exists()

    def expect_log(self) -> None:
        """Say that the log holds a commit from now on."""
        (self.path / LOG_MARK).touch(mode=0o600)
        self.sync()

    def expect_no_log(self) -> None:
        """Take that back, before the log is emptied."""
        if self.is_log_expected:
            (self.path / LOG_MARK).unlink()
            self.sync()


def in_use(path: Path) -> StateInUse:
    """Return what to tell who comes second."""
    return StateInUse(
        "another tcu-agent uses this state",
        where=str(path),
        hint="stop it first, or give this one a [state] directory of its own",
    )


def prepare_directory(directory: Path) -> None:
    """Make the directory if there is none.

    Raises:
        BadInput: it cannot be made, or is open to others.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode & 0o777
    except OSError as error:
        raise _not_usable(directory, error) from error
    if mode & 0o077:
        raise BadInput(
            f"the state directory is open to others (mode {mode:04o})",
            where=str(directory),
            hint="chmod 700",
        )


def check_makeable(directory: Path) -> None:
    """Find out whether the directory, which is not there yet, could be made, and leave nothing behind.

    Rights alone do not tell: nobody can make one in /proc. So another is made where the first new one would stand.

    Raises:
        BadInput: it could not.
    """
    try:
        parent = next(each for each in directory.parents if each.exists())
        Path(tempfile.mkdtemp(prefix=".tcu-agent-check-", dir=parent)).rmdir()
    except OSError as error:
        raise _not_usable(directory, error) from error


def obstacle(directory: Path) -> str | None:
    """Return what stands where the directory should be, or one above it; None if nothing does.

    Raises:
        OSError: this user may not look.
    """
    for each in (directory, *directory.parents):
        name = "" if each == directory else f"{each} "
        if each.exists():
            return None if each.is_dir() else f"{name}is a file, no directory"
        if each.is_symlink():
            return f"{name}is a link to nothing"
    return None


def _not_usable(directory: Path, error: OSError) -> BadInput:
    what = error.strerror or str(error)
    if not os.path.lexists(directory):
        what = f"cannot be made: {what}"
    with suppress(OSError):  # we may not even look
        what = obstacle(directory) or what
    return BadInput(what, where=str(directory), hint="see [state] directory")
