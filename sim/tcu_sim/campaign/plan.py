"""What one lane is asked to play, and what it has to say afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.campaign.board import MINED, PLAIN
from tcu_sim.campaign.judge import Findings

KILLS = 48
"""Kills of one whole lane: enough for state to pile up, few enough for a finding to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """`points`: to die at; None = all of them in turn. `pace`: how much more time everything has on a slow machine.

    `program`, `mined`: other agents than the real one (mutants).
    """

    folder: Path
    seed: int
    kills: int = KILLS
    points: tuple[str, ...] | None = None
    pace: float = 1.0
    program: tuple[str, ...] = PLAIN
    mined: tuple[str, ...] = MINED


@dataclass(slots=True, kw_only=True)
class LaneResult:
    """What a lane has to say. `problem`: why it could not be played to its end."""

    seed: int
    kills: int = 0
    at_points: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    counts: Counter[str] = field(default_factory=Counter)
    problem: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether it was played, and nothing was found."""
        return self.problem is None and self.findings.is_clean
