"""The agent that is measured has its real store under it: all that it does to it arrives there."""

from __future__ import annotations

from pathlib import Path

from benchmarks.grant_path import DurableState

from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.ports import StoredPosition
from tcu_sim.bench.fuse import Fuse

CASE = bytes(16)


def state(folder: Path) -> DurableState:
    return DurableState(now=lambda: 0.0, fuse=Fuse(), disk=SqliteState(folder / "state"))


def test_positions_reach_the_disk_and_leave_it(tmp_path: Path) -> None:
    tested = state(tmp_path)
    tested.put_position(StoredPosition(CASE, 1, b"sealed"))
    assert [each.seq for each in tested.disk.positions()] == [1]
    tested.erase_positions(CASE, 1)
    assert not tested.disk.positions()


def test_the_disk_says_when_it_wants_to_rest_and_rests(tmp_path: Path) -> None:
    tested = state(tmp_path)
    told: list[frozenset[str]] = []
    tested.watch(told.append)
    tested.commit(puts={"key": b"value"})
    assert told == [{"key"}]
    assert tested.needs_rest
    tested.rest()
    assert not tested.needs_rest


def test_only_commits_between_two_moments_count(tmp_path: Path) -> None:
    tested = state(tmp_path)
    for _ in range(3):
        tested.commit(puts={"key": b"value"})
    (_, first), (since, to), (last, _) = tested.commits
    assert tested.spent_s(first, last) == to - since > 0
