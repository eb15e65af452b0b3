"""Any history: some hundreds of seeds at each test run, each kept failure for ever, and the same seed is the same run.

`make simulate SEEDS=10000` plays many more.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tcu_agent.core.unlock import preconditions
from tcu_sim.bench.simulation.campaign import Sum
from tcu_sim.bench.simulation.kept import Kept, fails_like, read_kept
from tcu_sim.bench.simulation.playing import STEPS, Player
from tcu_sim.bench.simulation.plots import CLOCK_PLOTS, PLOTS, THIEF_PLOTS
from tcu_sim.bench.simulation.run import run
from tcu_sim.bench.simulation.shrinking import shrink
from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.steps import DRAWS, history
from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput
from tests.meta.checkout import ROOT

NOTHING_LOST = {"loss": 0.0, "copies": 0.0, "delay_s": 0.0}
KEPT = sorted((Path(__file__).parent / "kept").glob("*.json"))
SEEDS_IN_A_TEST = 8
SEEDS = 200
"""About a minute of one core; `make simulate` goes on where this ends."""


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_IN_A_TEST))
def test_no_seed_finds_anything(first: int) -> None:
    for seed in range(first, first + SEEDS_IN_A_TEST):
        verdict = run(seed, history(seed))
        assert verdict.complaints == (), f"seed {seed}: tcu-sim simulate --seeds {seed}"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    kept = read_kept(path)
    assert run(kept.seed, kept.steps).complaints == (), kept.found


def trace_of(seed: int, hash_seed: int) -> str:
    """Return the last line that a process of its own prints about one seed."""
    found = subprocess.run(
        [sys.executable, "-m", "tcu_sim.cli.main", "simulate", "--seeds", str(seed), "--trace"],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return found.stdout


@pytest.mark.parametrize("seed", [3, 11])
def test_the_same_seed_is_the_same_run_in_every_process(seed: int) -> None:
    one, other = trace_of(seed, 1), trace_of(seed, 2)
    assert "trace " in one
    assert one == other


def test_other_seeds_are_other_runs() -> None:
    hashes = {run(seed, ()).trace_hash for seed in range(3)}
    assert len(hashes) == 3


def test_every_kind_of_step_comes() -> None:
    assert {step.do for seed in range(60) for step in history(seed)} == set(DRAWS)


def test_plots_are_made_of_steps_that_can_be_played() -> None:
    played = [
        step
        for plot in (*PLOTS, *CLOCK_PLOTS, *THIEF_PLOTS)
        for seed in range(5)
        for step in plot(Random(seed))
    ]
    assert {step.do for step in played} <= set(STEPS)
    for step in played:
        drawn = {name for seed in range(200) for name in DRAWS[step.do][1](Random(seed))}
        assert set(step.of) <= drawn, step


def test_a_campaign_says_what_it_has_covered() -> None:
    total = Sum()
    for seed in range(2):
        total.add(run(seed, [Step("wait", {"s": 1.0}), Step("car", {"is": "ok", "late_s": 1.0})]))
    assert total.covered["wait"] == total.covered["car ok"] == 2
    assert total.covered["event on-call-pressed"] == 2
    assert "  car: ok 2" in str(total).splitlines()


def test_a_thief_who_uses_up_all_numbers_of_a_key_locks_nobody_out_of_the_next_start() -> None:
    (plot,) = THIEF_PLOTS
    lots = range(8)
    for seed in lots:
        assert run(seed, plot(Random(seed))).complaints == ()
    assert {plot(Random(seed))[0].of["bit"] for seed in lots} == {0, 1}


def test_a_thief_is_in_some_histories() -> None:
    assert any(step.of.get("how") == "spend" for seed in range(60) for step in history(seed))


def test_time_that_stands_still_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def again() -> None:
        asyncio.get_running_loop().call_soon(again)

    async def spin(_: Player, __: object) -> None:
        again()

    monkeypatch.setitem(STEPS, "calm", spin)
    assert "no time has passed" in run(0, [Step("calm")]).complaints[0]


def test_a_step_survives_paper(tmp_path: Path) -> None:
    kept = Kept(7, tuple(history(7)), "something")
    kept.write(tmp_path / "kept.json")
    assert read_kept(tmp_path / "kept.json") == kept


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"schema": 2, "seed": 1, "found": "", "steps": []}',
     '{"schema": 1, "seed": 1, "found": "", "steps": [{"do": "dance"}]}'],
)  # fmt: skip
def test_what_is_no_kept_history_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kept.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"kept\.json"):
        read_kept(path)


def test_a_kept_history_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"kept\.json: cannot be read: No such file or directory$"):
        read_kept(tmp_path / "kept.json")


@pytest.mark.parametrize("seeds", ["5:5", "7:3", "x", "-1:4", ":"])
def test_seeds_that_are_none_are_said(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", f"--seeds={seeds}"]) == 2
    assert "write A:B" in capsys.readouterr().err


def test_shrinking_keeps_only_what_is_needed() -> None:
    steps = [Step("wait", {"s": float(number)}) for number in range(40)]
    needed = [steps[3], steps[21]]

    def fails(candidate: Sequence[Step]) -> bool:
        return all(step in candidate for step in needed)

    assert shrink(steps, fails, most_runs=500) == needed


def test_a_planted_fault_is_shrunk_to_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that takes any lock status for the wanted one, in a history of which one step matters."""
    monkeypatch.setattr(preconditions, "all_are", lambda *_: True)
    refused = Step("car", {"is": "never", "late_s": 1.0})
    unlock = Step("ask", {"service": "unlock", "after_s": 0.05, "grants": 1, "for_s": 3.0})
    idle = Step("wait", {"s": 0.3})
    long = [idle, Step("calm"), refused, idle, unlock, Step("network", NOTHING_LOST), idle]
    kind = run(1, long).kind
    assert kind.startswith("executed at")
    assert shrink(long, partial(fails_like, kind, 1)) == [unlock]


def test_shrinking_ends_when_its_runs_are_used_up() -> None:
    calls: list[int] = []

    def fails(candidate: Sequence[Step]) -> bool:
        calls.append(len(candidate))
        return False

    steps = [Step("wait", {"s": 1.0})] * 64
    assert shrink(steps, fails, most_runs=10) == steps
    assert len(calls) <= 10 + 64
    assert all(first <= 64 for first, _ in pairwise([0, *calls]))
