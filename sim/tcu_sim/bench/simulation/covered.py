"""What a run has covered: how often each kind of step was played, and what the car made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tcu_agent.protocol.messages import Event, Result
from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.watch import Commit

KINDS = ("service", "point", "how", "is", "change", "act")
"""Which value of a step says what kind it is."""


def covered(steps: Iterable[Step], commits: Iterable[Commit]) -> dict[str, int]:
    """Count steps as ``attack flip``, and what was on the disk as ``result executed`` and ``event on-call-pressed``."""
    found = Counter(map(_kind, steps))
    for commit in commits:
        found.update(_told(message) for message in commit.append)
    return dict(found)


def in_lines(counts: Mapping[str, int]) -> list[str]:
    """Return one line for each first word."""
    by_word: dict[str, list[str]] = {}
    for name, count in sorted(counts.items()):
        word, _, rest = name.partition(" ")
        by_word.setdefault(word, []).append(f"{rest} {count}".strip())
    return [f"  {word}: {', '.join(rest)}" for word, rest in by_word.items()]


def _kind(step: Step) -> str:
    kinds = [str(step.of[name]) for name in KINDS if name in step.of]
    return " ".join([step.do, *kinds[:1]])


def _told(message: Result | Event) -> str:
    if isinstance(message, Result):
        return f"result {_word(message.outcome.name)}"
    return f"event {_word(message.kind.name)}"


def _word(name: str) -> str:
    return name.lower().replace("_", "-")
