"""The demo's story with the agent on a real CAN, and between its steps what happens to real buses. One test a step."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tcu_sim.demo.can_source import CanEnds
from tcu_sim.demo.play import DemoOptions, play_demo
from tcu_sim.demo.report import PlainReport
from tcu_sim.demo.stage import Stage
from tcu_sim.demo.steps import AT_THE_CAR, STEPS
from tcu_sim.demo.steps_app import END
from tcu_sim.demo.story import Step, Verdict
from tcu_sim.errors import SimulatorError
from tests.socketcan.bench import Bench, VirtualBench, bench_of_this_run, is_on_a_bench
from tests.socketcan.faults import Scene, faults
from tests.socketcan.foreign import Candump

STORY_LIMIT_S = 1500
AGENT = (str(Path(sys.executable).with_name("tcu-agent")),)
COMMAND_ID = "0A0"


class Told(PlainReport):
    """Keeps what was told, beside telling it."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.verdicts: dict[str, Verdict] = {}
        self.failure = ""

    def tell(self, verdict: Verdict) -> None:
        super().tell(verdict)
        self.verdicts[verdict.step] = verdict


def story(bench: Bench, dump: Candump) -> tuple[Step[Stage], ...]:
    """All of the demo on vcan, what concerns the car on the slower controllers; the faults before its end."""
    steps = STEPS if isinstance(bench, VirtualBench) else AT_THE_CAR
    at = steps.index(END[0]) if END[0] in steps else len(steps)
    return (*steps[:at], *faults(Scene(bench, dump)), *steps[at:])


def names() -> list[str]:
    """Return the steps' names, for pytest to name its tests; nothing is played for that."""
    return [step.name for step in story(bench_of_this_run(), None)] if is_on_a_bench() else []  # type: ignore[arg-type]  # only to be played with


@pytest.fixture(scope="session")
def told(bench: Bench, dump: Candump) -> Told:
    """The story, played once; every test looks at one step of it."""
    told = Told()
    options = DemoOptions(
        keep=bench.results / "story",
        agent=AGENT,
        can=CanEnds(f"socketcan:{bench.agent}", f"socketcan:{bench.far}"),
        patience=bench.patience,
    )
    try:
        asyncio.run(play_demo(options, told, steps=story(bench, dump)))
    except SimulatorError as error:
        told.failure = f"the set-up failed: {error}"
    return told


@pytest.mark.timeout(STORY_LIMIT_S)
@pytest.mark.parametrize("name", names())
def test_step(told: Told, name: str) -> None:
    assert not told.failure
    verdict = told.verdicts[name]
    assert verdict.ok, verdict.seen


@pytest.mark.timeout(STORY_LIMIT_S)
def test_candump_and_the_observer_have_seen_the_same_commands(
    told: Told, bench: Bench, dump: Candump
) -> None:
    trace = (bench.results / "story" / "observer.jsonl").read_text().splitlines()
    observed = [one for one in map(json.loads, trace) if one.get("what") == "command"]
    assert len(observed) >= 2
    dumped = [
        one
        for one in dump.since(0, bench.far, COMMAND_ID)
        if re.fullmatch("[0-9A-F]{16}", one.data)
    ]
    assert len(dumped) == len(observed)
