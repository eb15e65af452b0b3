"""The real thing, short: real agents, a real broker, real kills. And agents that must be caught."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tcu_sim.campaign.campaign import play_one
from tcu_sim.campaign.judge import Findings
from tcu_sim.campaign.plan import LanePlan, LaneResult
from tcu_sim.campaign.points import POINTS, dealt
from tcu_sim.demo.broker import find_mosquitto
from tests.campaign.mutants import KILLED_AT

SEED = 1
MOST_LANES = 4
POINTS_TRIED = (
    "after unlock frame went to the driver",
    "inside fdatasync of unlock intent",
    "before PUBACK of event",
    "after Persist request mark",
    "before Persist call",
    "after SealPosition",
)

pytestmark = [
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
    pytest.mark.timeout(300),  # real processes, many of them, on a machine that others use
]


def play_mutant(name: str, folder: Path, seed: int) -> LaneResult:
    program = ("-m", "tests.campaign.mutants", name)
    plan = LanePlan(
        folder=folder / f"lane-{seed}",
        seed=seed,
        kills=3,
        points=KILLED_AT[name],
        program=program,
        mined=program,
    )
    result = play_one(plan)
    assert result.problem is None
    return result


def caught(name: str, folder: Path, how: Callable[[Findings], object]) -> LaneResult:
    """Return the first lane that catches a mutant: where a kill falls is the machine's to say, not the seed's."""
    results = (play_mutant(name, folder, seed) for seed in range(SEED, SEED + MOST_LANES))
    found = next((result for result in results if how(result.findings)), None)
    assert found is not None, f"not one of {MOST_LANES} lanes has caught it"
    return found


def test_nothing_is_found_in_the_agent(tmp_path: Path) -> None:
    plan = LanePlan(folder=tmp_path / "lane", seed=SEED, kills=9, points=POINTS_TRIED)

    result = play_one(plan)

    assert result.is_well, (result.problem, result.findings.lines())
    assert result.at_points.total() >= 3
    assert result.counts["messages repeated by the attacker"] > 0
    assert not plan.folder.exists()


def test_an_intent_that_comes_behind_its_frame_is_caught(tmp_path: Path) -> None:
    found = caught(
        "intent-behind-the-frame", tmp_path, lambda findings: findings.unreported_intents
    )

    assert (tmp_path / f"lane-{found.seed}" / "trace.log").exists()


def test_a_forgotten_request_number_is_caught(tmp_path: Path) -> None:
    found = caught("marks-forgotten", tmp_path, lambda findings: findings.replays_accepted)

    assert not found.is_well


def test_the_deal_leaves_no_point_out() -> None:
    assert {dealt(number) for number in range(len(POINTS))} == set(POINTS)
