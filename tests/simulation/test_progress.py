"""A long campaign says on standard error how far it is; standard output is the same with it and without."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tcu_sim.bench.simulation import campaign
from tcu_sim.bench.simulation.campaign import Sum
from tcu_sim.bench.simulation.progress import EVERY_SEEDS, Progress
from tcu_sim.bench.simulation.run import Verdict
from tcu_sim.cli.main import main

HALF_AN_HOUR_S = 1800.0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def verdict(seed: int) -> Verdict:
    complaints = ("a door opened by itself",) if seed == 3 else ()
    return Verdict(seed, complaints, "00", HALF_AN_HOUR_S, 0, 0, 1)


def played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keep: Path, *more: str
) -> tuple[list[str], list[str]]:
    """Return what a campaign of so many seeds and two says on standard output and standard error."""
    monkeypatch.setattr(campaign, "run_seed", verdict)
    seeds = f"--seeds=0:{2 * EVERY_SEEDS + 2}"
    status = main(
        ["simulate", seeds, "--processes=1", "--no-shrink", f"--keep={keep}", *more],
    )
    assert status == 1, "seed 3 fails"
    said = capsys.readouterr()
    return said.out.splitlines(), said.err.splitlines()


def test_a_file_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, err = played(monkeypatch, capsys, tmp_path)
    of, hours = 2 * EVERY_SEEDS + 2, EVERY_SEEDS / 2
    assert err == [
        f"simulate: {EVERY_SEEDS} of {of} seeds, 1 failing, {hours:.1f} vehicle-hours",
        f"simulate: {2 * EVERY_SEEDS} of {of} seeds, 1 failing, {2 * hours:.1f} vehicle-hours",
    ]
    assert not [line for line in out if f" of {of} seeds" in line]


def test_json_on_standard_output_stays_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, err = played(monkeypatch, capsys, tmp_path, "--json")
    assert len([json.loads(line) for line in out]) == 2 * EVERY_SEEDS + 2 + 1
    assert len(err) == 2


def test_a_terminal_gets_one_line_that_is_wiped_before_anything_else_is_printed() -> None:
    stream = Terminal()
    progress = Progress(stream, of=2)
    total = Sum()
    for seed in range(2):
        total.add(verdict(seed))
        progress.tell(total)
    progress.wipe()
    first, second = (f"simulate: {n} of 2 seeds, 0 failing, {n / 2} vehicle-hours" for n in (1, 2))
    assert stream.getvalue() == f"\r\x1b[K{first}\r\x1b[K{second}\r\x1b[K"
    progress.wipe()
    assert stream.getvalue().count("\x1b[K") == 3, "there is nothing to wipe"


def test_a_file_has_nothing_to_be_wiped() -> None:
    stream = io.StringIO()
    progress = Progress(stream, of=EVERY_SEEDS)
    total = Sum(seeds=EVERY_SEEDS)
    progress.tell(total)
    progress.wipe()
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
