"""Makes a failing history short: leaves out ever smaller parts for as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcu_sim.bench.simulation.step import Step

MOST_RUNS = 150
"""A run takes about half a second; what is not short by then is short enough to read."""


def shrink(
    steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool], *, most_runs: int = MOST_RUNS
) -> list[Step]:
    """Return a sublist that still fails and, runs permitting, no step of which can be left out.

    Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (ddmin).
    """
    kept, parts, runs = list(steps), 2, 0
    while kept and runs < most_runs:
        size = -(-len(kept) // parts)
        for begin in range(0, len(kept), size):
            candidate = kept[:begin] + kept[begin + size :]
            runs += 1
            if fails(candidate):
                kept, parts = candidate, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(2 * parts, len(kept))
    return kept
