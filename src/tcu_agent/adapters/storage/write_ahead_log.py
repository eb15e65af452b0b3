"""SQLite's write-ahead log, looked through before SQLite opens it: a flipped bit must not turn the state back.

SQLite takes everything from the first frame on that does not verify for a commit that a power cut has torn, and drops
it without a word. Only the last commit can be torn: each one is on the disk before the next begins. So a frame that
does not verify with a later commit behind it was whole once, and is damage.

    log     header (32 bytes) || frames
    header  magic || version || page size || checkpoint number || salts (8 bytes) || checksum (8)
    frame   page number || pages of the database in a commit's last frame, else 0 || salts (8) || checksum (8) || page

Numbers have 4 bytes, big-endian. The last bit of the magic says in which byte order the checksums read their words (1 =
big-endian). They run on from the header through all frames, over the first 24 bytes of the header and over the first
8 of a frame and its page.

Source: SQLite, Database File Format, section 4, The Write-Ahead Log.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tcu_agent.errors import StorageError

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24

_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
_VERSION: Final = 3_007_000
_PAGE_BYTES: Final = frozenset(1 << each for each in range(9, 17))
_WORD: Final = 0xFFFF_FFFF

Sum = tuple[int, int]
"""The two words of a checksum."""


@dataclass(frozen=True, slots=True)
class Commits:
    """What a log holds. `first_page`: the newest image of the database's page 1, None where no commit changed it."""

    count: int = 0
    first_page: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    order: str
    page_bytes: int
    salts: bytes
    checksum: Sum


@dataclass(frozen=True, slots=True)
class _Frame:
    page_number: int
    pages_after: int
    salts: bytes
    checksum: Sum
    page: bytes


def read_log(log: bytes) -> Commits:
    """Return what a log holds, as SQLite will take it.

    Raises:
        StorageError: damaged, and SQLite would drop a commit that was on the disk.
    """
    header = _read_header(log)
    if header is None:
        if len(log) > HEADER_BYTES:  # it is on the disk before the first frame is written
            raise StorageError("corrupt: the header of the write-ahead log is damaged")
        return Commits()
    frames = list(_frames(log, header))
    commits, first_page, newest_first_page, checksum = 0, None, None, header.checksum
    for number, frame in enumerate(frames):
        if not _is_valid(frame, header, checksum):
            _refuse_damage(frame, frames[number + 1 :], header, checksum)
            break
        checksum = frame.checksum
        if frame.page_number == 1:
            newest_first_page = frame.page
        if frame.pages_after:
            commits, first_page = commits + 1, newest_first_page
    return Commits(commits, first_page)


def _read_header(log: bytes) -> _Header | None:
    if len(log) < HEADER_BYTES:
        return None
    magic, version, page_bytes, _ = struct.unpack_from(">4I", log)
    order = _MAGIC.get(magic)
    if order is None or version != _VERSION or page_bytes not in _PAGE_BYTES:
        return None
    checksum = struct.unpack_from(">2I", log, 24)
    if _run((0, 0), log[:24], order) != checksum:
        return None
    return _Header(order, page_bytes, log[16:24], (checksum[0], checksum[1]))


def _frames(log: bytes, header: _Header) -> Iterator[_Frame]:
    step = FRAME_HEADER_BYTES + header.page_bytes
    for start in range(HEADER_BYTES, len(log) - step + 1, step):
        page_number, pages_after, salts, *checksum = struct.unpack_from(">2I8s2I", log, start)
        page = log[start + FRAME_HEADER_BYTES : start + step]
        yield _Frame(page_number, pages_after, salts, (checksum[0], checksum[1]), page)


def _is_valid(frame: _Frame, header: _Header, before: Sum) -> bool:
    if frame.salts != header.salts or frame.page_number == 0:
        return False
    numbers = struct.pack(">2I", frame.page_number, frame.pages_after)
    return _run(_run(before, numbers, header.order), frame.page, header.order) == frame.checksum


def _refuse_damage(bad: _Frame, behind: list[_Frame], header: _Header, before: Sum) -> None:
    """Raise if a commit ended in or behind the first bad frame, and another one began behind that end."""
    own = [frame for frame in behind if frame.salts == header.salts]
    ended = bad.pages_after or _lost_end(bad, header, before)
    if own and (ended or any(frame.pages_after for frame in own[:-1])):
        raise StorageError("corrupt: a commit in the write-ahead log is damaged")


def _lost_end(bad: _Frame, header: _Header, before: Sum) -> bool:
    """Whether the number that ends a commit is what was damaged: it follows from the checksum and all that is whole."""
    first, second = _run_back(bad.checksum, bad.page, header.order)
    number, pages_after = _words(struct.pack(">2I", bad.page_number, bad.pages_after), header.order)
    at_number = (before[0] + number + before[1]) & _WORD
    return first == at_number and (second - before[1] - first) & _WORD != pages_after


def _run(checksum: Sum, data: bytes, order: str) -> Sum:
    first, second = checksum
    for word in _words(data, order):
        first, second = second, (first + second + word) & _WORD
    return first, second


def _run_back(checksum: Sum, data: bytes, order: str) -> Sum:
    first, second = checksum
    for word in reversed(_words(data, order)):
        first, second = (second - first - word) & _WORD, first
    return first, second


def _words(data: bytes, order: str) -> tuple[int, ...]:
    return struct.unpack(f"{order}{len(data) // 4}I", data)
