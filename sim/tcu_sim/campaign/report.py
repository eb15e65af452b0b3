"""What a campaign prints: the counts, what was played, and how often each named point was hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

from tcu_sim.campaign.judge import Findings
from tcu_sim.campaign.plan import LaneResult
from tcu_sim.campaign.points import POINTS

COUNTED = (
    ("double_actuations", "double actuations"),
    ("lost_events", "lost accepted events"),
    ("replays_accepted", "replays accepted"),
    ("late_positions", "positions after the stop time"),
    ("unreported_intents", "intents without a reported outcome"),
    ("untrue", "anything else that must not be"),
)
"""The lists of the judge, and what they are called."""
PROBLEMS_SHOWN = 20
PLAYED_FROM = 48
"""From so many kills on, each of `MUST_HAPPEN` must have happened: a campaign that plays nothing finds nothing."""
MUST_HAPPEN = (
    "unlock frames",
    "presses shown by the lamp",
    "messages on a dead agent's disk",
    "intents on a dead agent's disk",
    "positions at the desk",
    "messages repeated by the attacker",
)


@dataclass(slots=True)
class Sum:
    """All lanes together."""

    kills: int = 0
    at_points: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    bad: list[LaneResult] = field(default_factory=list)

    def add(self, result: LaneResult) -> None:
        """Count one lane."""
        self.kills += result.kills
        self.at_points += result.at_points
        self.counts += result.counts
        for each in fields(Findings):
            self.found[each.name] += len(getattr(result.findings, each.name))
        if not result.is_well:
            self.bad.append(result)

    @property
    def missing(self) -> Sequence[str]:
        """What should have happened in so long a campaign, and has not."""
        if self.kills < PLAYED_FROM:
            return ()
        return [name for name in MUST_HAPPEN if not self.counts[name]]

    @property
    def is_well(self) -> bool:
        """Whether the campaign was played, and nothing was found."""
        return not self.bad and not self.missing


def lines(total: Sum, *, seed: int, evidence: str) -> Iterator[str]:
    """Yield the report. `evidence`: where the lanes with findings have left theirs."""
    at_points = sum(total.at_points.values())
    yield f"seed {seed}: {total.kills} kills, {at_points} of them at a named point, the others at a random moment"
    for name, words in COUNTED:
        yield f"  {words:36} {total.found[name]:6}"
    yield "played:"
    for name, number in sorted(total.counts.items()):
        yield f"  {name:36} {number:6}"
    yield "named points, and how often an agent died there:"
    for point in POINTS:
        yield f"  {total.at_points[point]:4}  {point}"
    yield from _bad(total, evidence)


def _bad(total: Sum, evidence: str) -> Iterator[str]:
    for name in total.missing:
        yield f"NOT PLAYED: {name}"
    for result in total.bad:
        yield f"FAILED: the lane of seed {result.seed}; repeat: --seed {result.seed}; evidence: {evidence}"
        if result.problem is not None:
            yield f"  could not be played to its end: {result.problem}"
        for line in result.findings.lines()[:PROBLEMS_SHOWN]:
            yield f"  {line}"
