"""The archive from which a kernel starts before it can see this machine's files (initramfs, cpio "newc").

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from typing import Final

TRAILER: Final = "TRAILER!!!"
_ALIGNMENT: Final = 4


def archive(files: Mapping[str, bytes], folders: Iterable[str]) -> bytes:
    """Return an archive of executable files (path without a leading slash -> content) and of folders, in this order."""
    entries = [_entry(path, stat.S_IFDIR | 0o755, b"") for path in folders]
    entries += [_entry(path, stat.S_IFREG | 0o755, content) for path, content in files.items()]
    return b"".join([*entries, _entry(TRAILER, 0, b"")])


def _entry(path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _ALIGNMENT)
