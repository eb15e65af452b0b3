"""The short form of `make cloud-faults`: real agent and broker, the faults that take seconds; and that it can fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_sim.faults.campaign import Plan, line, rows
from tcu_sim.faults.cases import CASES
from tcu_sim.faults.play import Act, Case, Play, Row

SHORT = ("nothing", "cut in the middle of packets")
ACL = Path(__file__).parents[2] / "deploy" / "mosquitto" / "tcu.acl"


async def _played(folder: Path, cases: list[Case]) -> list[Row]:
    return [row async for row in rows(Plan(cases=cases, folder=folder, acl=ACL))]


def played(folder: Path, *cases: Case) -> list[Row]:
    return asyncio.run(_played(folder / "site", list(cases)))


def test_nothing_is_lost_doubled_or_late_under_the_faults_that_take_seconds(tmp_path: Path) -> None:
    found = played(tmp_path, *(case for case in CASES if case.name in SHORT))
    assert len(found) == len(SHORT)
    assert [line(row) for row in found if not row.is_well] == []
    assert all(row.made >= 7 for row in found)
    assert [(row.stale_sent > 0, row.live_acted) for row in found] == [(True, 1), (True, 0)]


async def _silent_witness(act: Act) -> None:
    """Somebody opens a door that nobody counts, and counts a press that nobody made."""
    await act.make(2, press=False)
    act.ledger.made.doors.clear()
    act.ledger.made.presses += 1


async def _prompt(act: Act) -> None:
    """The grant comes while it is good, so it acts: the stale one of this case is none."""
    act.send_grant()
    await act.make(2, press=False)


async def _powerless(act: Act) -> None:
    """The ignition is on, so the car refuses the live grant of this case."""
    act.site.act(lambda person, now: person.switch("active", now=now))
    await act.make(2, press=False)
    await act.unlock()
    act.send_grant()
    act.site.act(lambda person, now: person.switch("off", now=now))


async def _idle(act: Act) -> None:
    """Nothing stale is sent while the fault lasts."""
    await act.make(2, press=False)


@pytest.mark.parametrize(
    ("spoilt", "stale_acted", "live", "is_complete"),
    [
        (_silent_witness, 0, (0, 0), False),
        (_prompt, 1, (0, 0), True),
        (_powerless, 0, (1, 0), True),
        (_idle, 0, (0, 0), True),
    ],
)
def test_a_count_that_is_wrong_and_a_grant_that_acts_or_does_not_are_seen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoilt: Play,
    stale_acted: int,
    live: tuple[int, int],
    *,
    is_complete: bool,
) -> None:
    monkeypatch.setattr("tcu_sim.faults.play.STORED_WITHIN_S", 30.0 if is_complete else 1.0)
    monkeypatch.setattr("tcu_sim.faults.play.ATTEMPTS", 1)
    (row,) = played(tmp_path, replace(CASES[0], play=spoilt))
    assert not row.is_well
    assert row.stale_acted == stale_acted
    assert (row.live_sent, row.live_acted) == live
    assert row.is_complete == is_complete
