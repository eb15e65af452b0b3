"""The agent that is measured has its real store under it: all that it does to it arrives there."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.grant_path import DurableState
from benchmarks.grant_stamps import STRETCHES, WAY, Stamp, Stamps

from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.ports import StoredPosition
from tcu_sim.bench.fuse import Fuse

CASE = bytes(16)


def state(folder: Path, stamps: Stamps | None = None) -> DurableState:
    return DurableState(
        now=lambda: 0.0,
        fuse=Fuse(),
        disk=SqliteState(folder / "state"),
        stamps=stamps or Stamps(),
    )


@pytest.fixture
def stamps() -> Stamps:
    """Stamps of a way on which the stretch before each stamp takes twice as long as the one before."""
    times = iter([0.0, *(float(1 << each) for each in range(20))])
    return Stamps(clock=lambda: next(times))


def go(stamps: Stamps, places: list[Stamp]) -> None:
    stamps.begin()
    for place in places:
        stamps.take(place)


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


def test_a_commit_is_stamped_apart_from_what_the_bench_does_with_it(tmp_path: Path) -> None:
    stamps = Stamps()
    state(tmp_path, stamps).commit(puts={"key": b"value"})
    assert [place for place, _ in stamps.passed] == [
        Stamp.COMMITTING,
        Stamp.COMMITTED,
        Stamp.RECORDED,
    ]


def test_the_stretches_and_what_the_bench_did_make_up_the_way(stamps: Stamps) -> None:
    go(stamps, [place for place, _ in WAY[1:]])
    lengths = stamps.stretches_s()
    assert lengths is not None
    assert tuple(lengths) == STRETCHES
    assert [*lengths.values()] == [1.0, 1.0, 2.0, 4.0, 16.0, 32.0, 64.0]
    assert stamps.way_s() == sum(lengths.values()) == 128.0 - 8.0


def test_a_grant_that_something_came_into_the_way_of_has_a_length_and_no_stretches(
    stamps: Stamps,
) -> None:
    way = [place for place, _ in WAY[1:]]
    go(stamps, [Stamp.ASKED, Stamp.DECIDED, *way])
    assert stamps.stretches_s() is None
    assert stamps.way_s() == 512.0 - 32.0


def test_what_was_before_a_grant_does_not_count(stamps: Stamps) -> None:
    way = [place for place, _ in WAY[1:]]
    stamps.take(Stamp.RECORDED)
    go(stamps, [*way, Stamp.RECORDED])
    lengths = stamps.stretches_s()
    assert lengths is not None
    assert stamps.way_s() == sum(lengths.values())
