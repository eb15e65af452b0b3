"""Runs Spin on every model and every mutant, and says what was searched: `make models`.

A run counts only if the search was complete: the whole state space, every state stored in full (no hash compaction, no
bit state), no path cut off by the depth limit, within the memory limit. Every row of the core's transition tables must
have been taken by some model, so that no model is about nothing.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from formal.catalogue import ROWS_NEVER_TAKEN, RUNS, Kind, Run

HERE: Final = Path(__file__).parent
TOOLS: Final = ("spin", "gcc")
MEMORY_MB: Final = 1800
"""For one search; two at a time stay below 4 GB."""
DEPTH: Final = 2_000_000
PATIENCE_S: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one search reports."""

    run: Run
    took_s: float
    states: int = 0
    transitions: int = 0
    depth: int = 0
    errors: int = 0
    complaint: str = ""
    """Why the search does not count; empty if it does."""
    violated: str = ""
    rows: frozenset[str] = frozenset()

    @property
    def is_as_expected(self) -> bool:
        """Whether a model held, or an assertion of a mutant failed."""
        if self.complaint:
            return False
        return self.errors == 0 if self.run.kind.must_hold else bool(self.violated)


def missing_tools() -> list[str]:
    """Return the commands that are needed and not there."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def search(run: Run) -> Found:
    """Let Spin make a verifier of the model, compile it and run it, in a folder of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="models-") as folder:
        place = Path(folder)
        for source in HERE.glob("*.pml"):
            shutil.copy(source, place)
        # Compiling its long transition function well takes longer than searching with it does.
        level = "-O1" if run.model == "authorisation" else "-O0"
        steps = (
            ["spin", "-a", *(f"-D{name}" for name in run.defines), f"{run.model}.pml"],
            ["gcc", "-w", level, "-DSAFETY", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"],
            ["./pan", "-n", f"-m{DEPTH}"],
        )
        said = ""
        for step in steps:
            try:
                done = subprocess.run(
                    step, cwd=place, capture_output=True, text=True, timeout=PATIENCE_S, check=False
                )
            except subprocess.TimeoutExpired:
                return _without_result(run, began, f"{step[0]}: not done after {PATIENCE_S} s")
            said = done.stdout + done.stderr
            if done.returncode != 0 or (step[0] == "spin" and "Error" in said):
                return _without_result(run, began, f"{step[0]}: {said.strip()[:300]}")
    return read(run, said, took_s=time.monotonic() - began)


def _without_result(run: Run, began: float, complaint: str) -> Found:
    return Found(run=run, took_s=time.monotonic() - began, complaint=complaint)


def read(run: Run, said: str, *, took_s: float) -> Found:
    """Return what a verifier's report says."""
    errors = _number(r"errors: (\d+)", said)
    complaint = ""
    if "State-vector" not in said:
        complaint = f"no report: {said.strip()[:200]}"
    elif "max search depth too small" in said:
        complaint = "the depth limit cut paths off"
    elif re.search(r"hash-compact|bit ?state|Bit statespace|Hash-Compact", said):
        complaint = "states were not stored in full"
    elif "out of memory" in said or "reached -DMEMLIM" in said:
        complaint = "out of memory"
    elif run.kind.must_hold and errors == 0 and "Search not completed" in said:
        complaint = "the search was not completed"
    violation = re.search(r"pan:1: assertion violated (.*?) ?\(at depth", said)
    other = re.search(r"pan:1: (.*)", said)
    if errors and not violation and other and not complaint:
        complaint = other.group(1)
    return Found(
        run=run,
        took_s=took_s,
        states=_number(r"(\d+) states, stored", said),
        transitions=_number(r"(\S+) transitions", said),
        depth=_number(r"depth reached (\d+)", said),
        errors=errors,
        complaint=complaint,
        violated=violation.group(1).strip() if violation else "",
        rows=frozenset(re.findall(r"^row (.*)$", said, re.MULTILINE)),
    )


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    # Large numbers come as 1.03e+08.
    return int(float(match.group(1))) if match else 0


def table_rows() -> frozenset[str]:
    """Return every row of every table that tables.pml holds."""
    text = (HERE / "tables.pml").read_text(encoding="utf-8")
    return frozenset(re.findall(r"/\* table: (.*?) \*/", text))


def rows_missed(found: Sequence[Found]) -> list[str]:
    """Return the rows that no model takes, and those that one takes although it is said that none does."""
    taken = {row for each in found if each.run.kind is Kind.MODEL for row in each.rows}
    rows = table_rows()
    return sorted((rows - taken - ROWS_NEVER_TAKEN) | (ROWS_NEVER_TAKEN & taken))


def _line(found: Found) -> str:
    word = "ok  " if found.is_as_expected else "FAIL"
    ending = found.complaint or (f"violated: {found.violated[:70]}" if found.errors else "holds")
    return (
        f"{word} {found.run.kind.value:6} {found.run.name:62} {found.states:>9} states "
        f"{found.transitions:>10} transitions  depth {found.depth:>6}  {found.took_s:5.1f} s  {ending}"
    )


def run_all(runs: Sequence[Run], *, workers: int) -> list[Found]:
    """Run all of them, `workers` at a time, and tell of each as it ends."""
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for each in pool.map(search, runs):
            found.append(each)
            sys.stdout.write(f"{_line(each)}\n      {each.run.says}\n")
            sys.stdout.flush()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if every model held, every mutant failed, and every row was taken."""
    parser = argparse.ArgumentParser(description="Run Spin on the models and on their mutants.")
    parser.add_argument("--quick", action="store_true", help="small bounds and a few mutants")
    parser.add_argument("--only", default="", help="runs whose name contains this")
    parser.add_argument("--workers", type=int, default=2, help="searches at a time (default: 2)")
    options = parser.parse_args(arguments)
    if missing := missing_tools():
        sys.stderr.write(f"models: {', '.join(missing)} missing: apt-get install spin gcc\n")
        return 2
    runs = [
        each for each in RUNS if options.only in each.name and (each.is_quick or not options.quick)
    ]
    began = time.monotonic()
    found = run_all(runs, workers=options.workers)
    wrong = [each for each in found if not each.is_as_expected]
    missed = [] if options.quick or options.only else rows_missed(found)
    for row in missed:
        sys.stdout.write(
            f"FAIL row {row}: taken by no model (or by one although catalogue.py says none)\n"
        )
    rows = {row for each in found for row in each.rows} & table_rows()
    sys.stdout.write(f"{len(rows)} of {len(table_rows())} rows of the core's tables were taken\n")
    failed = len(wrong) + len(missed)
    took_s = time.monotonic() - began
    sys.stdout.write(
        f"models: {len(found) - len(wrong)} passed, {failed} failed ({took_s:.0f} s)\n"
    )
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
