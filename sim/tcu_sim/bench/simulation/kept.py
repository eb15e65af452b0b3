"""A failing history on paper: what `tcu-sim simulate` writes and the tests replay for ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.steps import DRAWS
from tcu_sim.errors import BadInput

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One history. `found`: what was wrong when it was kept."""

    seed: int
    steps: tuple[Step, ...]
    found: str

    def write(self, path: Path) -> None:
        """Write it as JSON, one step a line."""
        lines = ",\n    ".join(json.dumps(step.to_json()) for step in self.steps)
        head = f'{{\n  "schema": {SCHEMA},\n  "seed": {self.seed},\n  "found": {json.dumps(self.found)},\n'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{head}  "steps": [\n    {lines}\n  ]\n}}\n')


def read_kept(path: Path) -> Kept:
    """Return a kept history.

    Raises:
        BadInput: no such file, or not what `write` writes.
    """
    try:
        value = json.loads(path.read_text())
        steps = tuple(Step.from_json(step) for step in value["steps"])
        kept = Kept(int(value["seed"]), steps, str(value["found"]))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"no kept history, which `tcu-sim simulate --keep` writes ({error!r})"
        raise BadInput(f"{path}: {what}") from error
    if value.get("schema") != SCHEMA:
        raise BadInput(f"{path}: schema {value.get('schema')}, this program reads {SCHEMA}")
    if unknown := sorted({step.do for step in steps} - set(DRAWS)):
        raise BadInput(f"{path}: unknown steps {', '.join(unknown)}")
    return kept


def fails_like(kind: str, seed: int, steps: Sequence[Step]) -> bool:
    """Whether this history fails with a complaint of this kind."""
    from tcu_sim.bench.simulation.run import run  # noqa: PLC0415 - reading a file loads no world

    return run(seed, steps).kind == kind
