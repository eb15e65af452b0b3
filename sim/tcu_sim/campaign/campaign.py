"""Many lanes, some at a time, each in a process of its own: most of a life is waiting, so more than one a core."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

from tcu_sim.campaign.lane import play
from tcu_sim.campaign.plan import KILLS, LanePlan, LaneResult
from tcu_sim.demo.orphans import end_with_parent

NEXT_RESULT_TIMEOUT_S = 1800.0
"""A lane that takes so long hangs, and a campaign that says so is better than one that waits."""


def plans(*, kills: int, seed: int, folder: Path) -> list[LanePlan]:
    """Deal out the kills to lanes. Lane n has the seed `seed` + n, so that each can be repeated alone."""
    numbers = [min(KILLS, kills - first) for first in range(0, kills, KILLS)]
    return [
        LanePlan(folder=folder / f"lane-{seed + lane}", seed=seed + lane, kills=number)
        for lane, number in enumerate(numbers)
    ]


def results(lanes: list[LanePlan], *, processes: int) -> Iterator[LaneResult]:
    """Play all of them and yield each result as it comes."""
    if processes == 1 or len(lanes) == 1:
        yield from map(play_one, lanes)
        return
    # spawn: a forked child would inherit the state of whatever ran here before.
    with multiprocessing.get_context("spawn").Pool(
        min(processes, len(lanes)), initializer=end_with_parent
    ) as pool:
        coming = pool.imap_unordered(play_one, lanes)
        for number in range(len(lanes)):
            try:
                yield coming.next(timeout=NEXT_RESULT_TIMEOUT_S)
            except multiprocessing.TimeoutError:
                left = f"{len(lanes) - number} lanes have not ended in {NEXT_RESULT_TIMEOUT_S:g} s"
                yield LaneResult(seed=lanes[0].seed, problem=left)
                return


def play_one(plan: LanePlan) -> LaneResult:
    """Play one lane."""
    return asyncio.run(play(plan))
