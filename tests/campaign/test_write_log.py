"""The log of dm-log-writes, made by hand here, and the disks that it stands for."""

import struct
from pathlib import Path
from random import Random

import pytest

from tcu_sim.campaign.errors import CampaignError
from tcu_sim.campaign.power.write_log import (
    BLOCK_BYTES,
    DISCARD,
    FLUSH,
    FUA,
    MAGIC,
    MARK,
    SECTOR_BYTES,
    Write,
    apply,
    chosen,
    cut_at,
    read_log,
)


def written(sector: int, data: bytes, flags: int = 0) -> bytes:
    head = struct.pack("<QQQQ", sector, len(data) // SECTOR_BYTES, flags, 0)
    return head.ljust(SECTOR_BYTES, b"\0") + (b"" if flags & DISCARD else data)


def marked(text: str) -> bytes:
    head = struct.pack("<QQQQ", 0, 0, MARK, len(text)) + text.encode()
    return head.ljust(SECTOR_BYTES, b"\0")


def log_of(folder: Path, *entries: bytes, magic: int = MAGIC) -> Path:
    head = struct.pack("<QQQI", magic, 1, len(entries), SECTOR_BYTES).ljust(SECTOR_BYTES, b"\0")
    path = folder / "log.img"
    path.write_bytes(head + b"".join(entries) + b"\xff" * SECTOR_BYTES)
    return path


A, B = b"a" * BLOCK_BYTES, b"b" * BLOCK_BYTES


def test_entries_come_as_they_were_logged(tmp_path: Path) -> None:
    path = log_of(
        tmp_path, written(8, A), written(0, b"", FLUSH), marked("cut"), written(16, A + B, FUA)
    )

    assert read_log(path) == [
        Write(8 * SECTOR_BYTES, A, 0),
        Write(0, b"", FLUSH),
        Write(0, b"", MARK, "cut"),
        Write(16 * SECTOR_BYTES, A + B, FUA),
    ]


def test_what_is_discarded_has_no_data(tmp_path: Path) -> None:
    path = log_of(tmp_path, written(8, A, DISCARD), written(16, B))

    assert [each.data for each in read_log(path)] == [b"", B]


def test_another_file_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="no log"):
        read_log(log_of(tmp_path, magic=MAGIC + 1))


def test_what_was_flushed_is_certain_and_what_stands_before_the_next_flush_may_be() -> None:
    certain = [Write(0, A, 0), Write(0, b"", FLUSH), Write(0, B, FUA)]
    maybe = [Write(8192, A, 0)]
    mark, forced, flush = Write(0, b"", MARK, "cut"), Write(0, A, FUA), Write(0, b"", FLUSH)

    found = cut_at([*certain, mark, *maybe, forced, flush, Write(0, A, 0)], "cut")

    assert found == (certain, maybe)


def test_a_log_without_the_mark_says_nothing() -> None:
    with pytest.raises(CampaignError, match="no mark"):
        cut_at([Write(0, A, 0)], "cut")


def test_every_part_of_what_may_be_comes_about() -> None:
    maybe = [Write(0, A + B, 0)]

    parts = {tuple(each.offset for each in chosen(maybe, Random(seed))) for seed in range(200)}

    assert parts == {(), (0,), (BLOCK_BYTES,), (0, BLOCK_BYTES)}


def test_later_writes_win(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(3 * BLOCK_BYTES))

    apply(image, [Write(0, A + A, 0), Write(0, b"", FLUSH), Write(BLOCK_BYTES, B, 0)])

    assert image.read_bytes() == A + B + bytes(BLOCK_BYTES)
