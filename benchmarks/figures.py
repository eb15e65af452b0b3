"""What a benchmark says: one figure, what it is compared with, and whether that is what was wanted."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ratio`: how many times better than `against`, the median over rounds that measured both; `target`: of it.

    Without `against` the target is one of the value itself, `met` says which way.
    """

    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None

    def line(self) -> str:
        """Return it for people."""
        text = f"{self.name}: {self.value:,.4g} {self.unit}"
        if self.against is not None and self.ratio is not None:
            text += f", {self.ratio:.2f} times better than {self.against}"
        if self.target is not None:
            text += f" (target {self.target:g}: {'met' if self.met else 'MISSED'})"
        return text


def compared(
    name: str,
    *,
    ours: Sequence[float],
    others: Sequence[float],
    unit: str,
    against: str,
    target: float | None = None,
    is_cost: bool = True,
) -> Figure:
    """Return the figure of rounds that measured both ways. `is_cost`: less is better."""
    rounds = zip(ours, others, strict=True)
    ratio = median(other / our if is_cost else our / other for our, other in rounds)
    return Figure(
        name=name,
        value=median(ours),
        unit=unit,
        against=against,
        ratio=ratio,
        target=target,
        met=None if target is None else ratio >= target,
    )


def machine() -> str:
    """Return what this was measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in CPU_INFO.read_text().splitlines()
            if line.startswith(("model name", "Model", "Hardware"))
        ),
        platform.processor() or platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


Benchmark = Callable[[int], Iterable[Figure]]
"""Takes the number of rounds."""


def as_json(figures: Iterable[Figure]) -> str:
    """Return a list of objects."""
    return json.dumps([asdict(figure) for figure in figures], indent=1) + "\n"
