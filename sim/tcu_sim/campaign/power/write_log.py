"""Reads what dm-log-writes has logged, and makes disks of it as a power cut might have left them.

    sector 0        magic, version, number of entries (8 bytes each, little endian), sector size (4)
    then, each      sector, number of sectors, flags, length of data (8 each), in one sector; then the sectors written

The kernel logs a write only when it is on the disk for certain: behind the next flush, or at once if it is forced
(FUA). What was written and not flushed when the power failed thus stands between a mark and the first flush
behind it: any part of that may be on the disk, each 4096-byte block of it on its own.

Source: Documentation/admin-guide/device-mapper/log-writes.rst and drivers/md/dm-log-writes.c of the Linux kernel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tcu_sim.campaign.errors import CampaignError

MAGIC: Final = 0x6A736677736872
VERSION: Final = 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SUPER: Final = struct.Struct("<QQQI")
ENTRY: Final = struct.Struct("<QQQQ")
SECTOR_BYTES: Final = 512
BLOCK_BYTES: Final = 4096
"""What a disk writes whole or not at all; the file system is made with blocks of this size."""


@dataclass(frozen=True, slots=True)
class Write:
    """One logged request. `offset`: on the device, in bytes; `data`: empty for a mere flush."""

    offset: int
    data: bytes
    flags: int
    mark: str = ""


def read_log(path: Path) -> list[Write]:
    """Return all entries of a log device's image.

    Raises:
        CampaignError: it is no such log.
    """
    with path.open("rb") as file:
        magic, version, number, sector_bytes = SUPER.unpack(file.read(SUPER.size))
        if (magic, version, sector_bytes) != (MAGIC, VERSION, SECTOR_BYTES):
            raise CampaignError(f"{path}: no log of dm-log-writes, version {VERSION}")
        file.seek(SECTOR_BYTES)
        entries = []
        for _ in range(number):
            head = file.read(SECTOR_BYTES)
            sector, sectors, flags, length = ENTRY.unpack_from(head)
            mark = head[ENTRY.size : ENTRY.size + length].decode() if flags & MARK else ""
            data = b"" if flags & (DISCARD | MARK) else file.read(sectors * SECTOR_BYTES)
            entries.append(Write(sector * SECTOR_BYTES, data, flags, mark))
    return entries


def cut_at(entries: Sequence[Write], mark: str) -> tuple[Sequence[Write], Sequence[Write]]:
    """Return what is on the disk for certain when the power fails at the mark, and what may be.

    Raises:
        CampaignError: there is no such mark.
    """
    at = next((number for number, each in enumerate(entries) if each.mark == mark), None)
    if at is None:
        raise CampaignError(f"the log has no mark {mark!r}")
    behind = entries[at + 1 :]
    end = next((number for number, each in enumerate(behind) if each.flags & FLUSH), len(behind))
    return entries[:at], [each for each in behind[:end] if each.data and not each.flags & FUA]


def chosen(maybe: Sequence[Write], rng: Random) -> Iterator[Write]:
    """Yield a random part of what may be on the disk: a later block may be there and an earlier one not."""
    share = rng.choice((0.0, 0.25, 0.5, 0.75, 1.0))
    for write in maybe:
        yield from (block for block in _blocks(write) if rng.random() < share)


def apply(image: Path, writes: Iterator[Write] | Sequence[Write]) -> None:
    """Write all of it to the image of the device."""
    with image.open("r+b") as file:
        for write in writes:
            if write.data:
                file.seek(write.offset)
                file.write(write.data)


def _blocks(write: Write) -> Iterator[Write]:
    for start in range(0, len(write.data), BLOCK_BYTES):
        data = write.data[start : start + BLOCK_BYTES]
        yield Write(write.offset + start, data, write.flags)
