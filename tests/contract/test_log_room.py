"""The room at the end of the write-ahead log: commits overwrite it, and nobody takes it for one."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from tcu_agent.adapters.storage import kept_log
from tcu_agent.adapters.storage.first_look import LOG_NAME
from tcu_agent.adapters.storage.state_directory import LOG_MARK
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.adapters.storage.write_ahead_log import FRAME_HEADER_BYTES, read_log
from tests.contract.left_logs import COMMITS, FRAME_BYTES, ROOM_BYTES, commit, reopened, seen


def test_a_rest_gives_room_that_commits_overwrite(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_log, "ROOM_BYTES", ROOM_BYTES)
    state = SqliteState(disk / "state")
    log = disk / "state" / LOG_NAME
    for _ in range(2):
        blocks = (log.stat().st_size, log.stat().st_blocks)
        for number in range(1, COMMITS + 1):
            state.commit(puts={"mark": bytes([number])})
            assert read_log(log.read_bytes()).count == 1 + number
            assert (log.stat().st_size, log.stat().st_blocks) == blocks
            assert blocks[0] == ROOM_BYTES
        state.rest()
    state.close()


def test_a_disk_without_room_for_more_lets_a_rest_come_to_its_end(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_log: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    state = SqliteState(disk / "state")
    commit(state, 1)
    found = seen(state)
    monkeypatch.setattr(kept_log, "_make_room", full)
    state.rest()
    assert not state.needs_rest
    assert (disk / "state" / LOG_MARK).exists()
    state.close()
    assert reopened(disk / "state") == found


@pytest.mark.parametrize("written_bytes", [0, 1, FRAME_HEADER_BYTES, FRAME_BYTES, FRAME_BYTES + 8])
def test_a_power_cut_while_room_is_made_costs_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch, written_bytes: int
) -> None:
    def cut(log: Path) -> None:
        with log.open("ab") as stream:
            stream.write(bytes(written_bytes))
        shutil.copytree(disk / "state", disk / "left")

    state = SqliteState(disk / "state")
    commit(state, 1)
    found = seen(state)
    monkeypatch.setattr(kept_log, "_make_room", cut)
    state.rest()
    monkeypatch.undo()
    state.close()
    assert reopened(disk / "left") == found
