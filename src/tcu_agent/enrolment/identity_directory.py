"""Where certificate, key and trust bundle lie: one directory for each generation, and a link to the one in force.

```
identity/current -> 3       what tcu.toml names: current/vehicle.pem, current/vehicle.key, current/trust.cbor
identity/3/  identity/2/    the one in force, and the one before it
```

A generation is complete and on the disk before the link moves to it, in one step. Whatever fails before that leaves
the old one in force. Of what it left behind the next attempt keeps the key, which the server may know already, and
clears the rest away, and the one before the one in force with it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tcu_agent.errors import EnrolmentError

CURRENT: Final = "current"
CERTIFICATE, KEY, TRUST, SIGNING = "vehicle.pem", "vehicle.key", "trust.cbor", "signing.pem"
_NEXT_LINK: Final = "next"
_LOCK: Final = "lock"
_ASIDE: Final = ".new"


class IdentityDirectory:
    """One vehicle's generations."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def current(self) -> Path:
        """The link to the generation in force; it may not be there."""
        return self.path / CURRENT

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the directory, and let nobody else enrol at the same time.

        Raises:
            EnrolmentError: somebody does, or the directory cannot be used.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnrolmentError(f"{self.path}: {error.strerror}", temporary=False) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise EnrolmentError(f"{self.path}: somebody enrols already", temporary=True) from error
        finally:
            os.close(handle)

    @property
    def before(self) -> Path | None:
        """The generation before the one in force, None = there is none."""
        path = self.path / str(self._in_force() - 1)
        return path if path.is_dir() else None

    def begin(self, *, afresh: bool) -> Path:
        """Return the next generation, with nothing in it but the key of an attempt that stopped half-way.

        `afresh`: not even that. The generation in force stays, all others are cleared away.

        Raises:
            EnrolmentError: the disk is full or read-only.
        """
        in_force = self._in_force()
        new = self.path / str(in_force + 1)
        with _told(self.path):
            for number in self._generations():
                if number != in_force and (afresh or number != in_force + 1):
                    shutil.rmtree(self.path / str(number))
            new.mkdir(mode=0o700, exist_ok=True)
            for file in new.iterdir():
                if file.name != KEY:
                    file.unlink()
            _sync(self.path)
        return new

    def fall_back(self) -> None:
        """Put the generation before the one in force in force again, and clear away the one that was.

        Raises:
            EnrolmentError: there is none, or it cannot be done; then all is as it was.
        """
        before, refused = self.before, self.path / str(self._in_force())
        if before is None:
            raise EnrolmentError(f"{self.path}: no generation before this one", temporary=False)
        self.install(before)
        with _told(self.path):
            shutil.rmtree(refused)

    def put(self, file: Path, content: bytes, *, mode: int = 0o644) -> None:
        """Write one file of a new generation, on the disk when it returns.

        Raises:
            EnrolmentError: it cannot be written.
        """
        with _told(file):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())

    def exchange(self, file: Path, content: bytes) -> None:
        """Put another content in the place of a file of a complete generation: whole, in one step and on the disk.

        Raises:
            EnrolmentError: it cannot be written; the file is as it was.
        """
        aside = file.with_name(f"{file.name}{_ASIDE}")
        with _told(file):
            aside.unlink(missing_ok=True)  # of an attempt that stopped half-way
            self.put(aside, content)
            os.replace(aside, file)  # noqa: PTH105 - so that tests can fail this one alone
            _sync(file.parent)

    def install(self, generation: Path) -> None:
        """Put a complete generation in force.

        Raises:
            EnrolmentError: it cannot be; the one before stays in force.
        """
        with _told(self.path):
            _sync(generation)
            link = self.path / _NEXT_LINK
            link.unlink(missing_ok=True)
            link.symlink_to(generation.name)
            _sync(self.path)
            os.replace(link, self.current)  # noqa: PTH105 - so that tests can fail this one alone
            _sync(self.path)

    def _in_force(self) -> int:
        try:
            return int(str(self.current.readlink()))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            what = f"{self.current}: is not the link that `tcu-agent enrol` makes"
            raise EnrolmentError(what, temporary=False) from error

    def _generations(self) -> list[int]:
        return [int(each.name) for each in self.path.iterdir() if each.name.isdecimal()]


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnrolmentError(f"{path}: {error.strerror}", temporary=True) from error


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
