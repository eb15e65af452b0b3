"""One lane in which the power is cut: after each kill the disk forgets what was not synced. In a guest."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tcu_sim.campaign.lane import Lane, in_words
from tcu_sim.campaign.plan import LanePlan, LaneResult
from tcu_sim.campaign.points import POINTS
from tcu_sim.campaign.power.disk import CutDisk
from tcu_sim.campaign.power.preloaded_board import PRELOADED, PreloadedBoard
from tcu_sim.campaign.town import open_town
from tcu_sim.errors import SimulatorError

TOLD_EVERY = 10
PACE = 3.0
"""A guest is slower than its host by about this, and its host has other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPlan:
    """`folder`: in the guest's memory; `results`: where the folder goes if something was found. `told`: how it goes."""

    folder: Path
    results: Path
    seed: int
    kills: int
    program: tuple[str, ...] = PRELOADED

    told: Callable[[str], None] = lambda _: None

    def as_lane(self) -> LanePlan:
        """Return what is played."""
        return LanePlan(
            folder=self.folder,
            seed=self.seed,
            kills=self.kills,
            points=_points(self.seed),
            pace=PACE,
        )


async def play(plan: PowerPlan) -> LaneResult:
    """Play it to its end."""
    lane = plan.as_lane()
    shutil.rmtree(lane.folder, ignore_errors=True)
    try:
        result = await _play(plan, lane)
    except (SimulatorError, BaseExceptionGroup, TimeoutError) as error:
        result = LaneResult(seed=plan.seed, problem=in_words(error))
    if not result.is_well:
        kept = plan.results / f"lane-{plan.seed}"
        shutil.rmtree(kept, ignore_errors=True)
        if lane.folder.exists():  # else it ended before there was anything to keep
            shutil.copytree(
                lane.folder, kept, ignore=shutil.ignore_patterns("*.img", "device", "can")
            )
    return result


async def _play(plan: PowerPlan, lane: LanePlan) -> LaneResult:
    mounted = lane.folder / "mounted"
    disk = CutDisk(
        folder=lane.folder / "device-images", mounted=mounted, rng=Random(f"power {plan.seed}")
    )

    def cut() -> None:
        disk.cut()
        if (number := disk.cuts) % TOLD_EVERY == 0:
            plan.told(f"{number} of {plan.kills} cuts")

    disk.make()
    try:
        async with open_town(lane.folder, state=mounted / "state", seed=plan.seed) as town:
            log = lane.folder / "logs" / "agent.log"
            board = PreloadedBoard(config=town.config, log=log, program=plan.program)
            try:
                result = await Lane(lane, town, board=board, after_death=cut).run()
            finally:
                await board.close()
    finally:
        disk.close()
    result.counts.update(disk.counts)
    return result


def _points(seed: int) -> tuple[str, ...]:
    """Return the points in an order of the seed's; what lies inside a commit is the disk's own matter here."""
    points = [point for point in POINTS if not point.startswith("inside")]
    Random(seed).shuffle(points)
    return tuple(points)
