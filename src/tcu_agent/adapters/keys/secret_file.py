"""Reading a file that holds a secret: a key, a password, a token's PIN."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tcu_agent.errors import KeyStoreError

LARGEST = 65_536
"""Bytes; the largest, a key with its certificates, has some thousand."""


def read_secret(path: Path, *, setting: str = "") -> bytes:
    """Return the bytes of a file that nobody but its owner can read or change.

    `setting`: which one names the file, such as "[mqtt] password_file"; "" where the caller says it.

    Raises:
        KeyStoreError: missing, no plain file, its mode is wider than 0600, or it is too large for a secret.
    """
    try:
        return _read(path)
    except KeyStoreError as error:
        if not setting:
            raise
        raise KeyStoreError(f"{error} (see {setting})") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyStoreError(f"{path}: is no plain file")
            if status.st_mode & 0o177:
                mode = stat.S_IMODE(status.st_mode)
                raise KeyStoreError(f"{path}: mode {mode:04o} is too open (chmod 600)")
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise KeyStoreError(f"{path}: {error.strerror}") from error
    if len(content) > LARGEST:
        raise KeyStoreError(f"{path}: more than {LARGEST} bytes are no key")
    return content
