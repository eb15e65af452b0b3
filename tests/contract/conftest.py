"""Disks for the write-ahead log."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcu_agent.adapters.storage import kept_log, schema
from tests.contract.left_logs import PAGE_BYTES, ROOM_BYTES
from tests.fuzz.target import MEMORY_DISK


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory, pages that are as small as can be, and a log that ends with its last commit."""
    monkeypatch.setattr(kept_log, "ROOM_BYTES", 0)
    script = f"PRAGMA page_size = {PAGE_BYTES};" + schema._SCHEMA
    monkeypatch.setattr(schema, "_SCHEMA", script)
    place = MEMORY_DISK if MEMORY_DISK.is_dir() else tmp_path
    folder = place / f"tcu-log-{os.getpid()}-{tmp_path.name}"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=[0, ROOM_BYTES], ids=["no room", "room"])
def any_room(disk: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same; in one of two runs there is room behind the last commit."""
    monkeypatch.setattr(kept_log, "ROOM_BYTES", request.param)
    return disk
