"""Many seeds, one process a core; each verdict as it comes, in the order of the seeds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tcu_sim.bench.simulation.covered import in_lines
from tcu_sim.bench.simulation.run import Verdict, run
from tcu_sim.bench.simulation.steps import history

CHUNK_SEEDS = 4


@dataclass(slots=True)
class Sum:
    """What a campaign has covered so far."""

    seeds: int = 0
    failures: int = 0
    vehicle_s: float = 0.0
    unlocks: int = 0
    positions: int = 0
    starts: int = 0
    covered: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Count one run."""
        self.seeds += 1
        self.failures += bool(verdict.complaints)
        self.vehicle_s += verdict.vehicle_s
        self.unlocks += verdict.unlocks
        self.positions += verdict.positions
        self.starts += verdict.starts
        for name, count in verdict.covered.items():
            self.covered[name] = self.covered.get(name, 0) + count

    def __str__(self) -> str:
        """Return one line, and one for each kind of thing that was played or told."""
        head = (
            f"simulate: {self.seeds} seeds, {self.failures} failing; {self.vehicle_s / 3600:.1f} vehicle-hours,"
            f" {self.unlocks} unlock frames, {self.positions} positions, {self.starts} starts of an agent"
        )
        return "\n".join([head, *in_lines(self.covered)])


def verdicts(seeds: Iterable[int], *, processes: int) -> Iterator[Verdict]:
    """Run all seeds; `processes` 1 = in this one."""
    if processes == 1:
        yield from map(run_seed, seeds)
        return
    # spawn: a forked child would inherit the state of whatever ran here before.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(run_seed, seeds, chunksize=CHUNK_SEEDS)


def run_seed(seed: int) -> Verdict:
    """Play the history of one seed."""
    return run(seed, history(seed))
