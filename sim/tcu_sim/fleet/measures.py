"""What is measured: how long each took, how many a second, and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PAGE_KIB = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase with one size of fleet. `wanted`, `done`: cars. Times in seconds, from the order to the effect.

    `rate`: cars a second over the whole phase.
    """

    name: str
    cars: int
    wanted: int
    done: int
    seconds: float
    p50_s: float
    p99_s: float
    worst_s: float

    @property
    def rate(self) -> float:
        """Return cars a second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def is_complete(self) -> bool:
        """Whether nobody was left behind."""
        return self.done == self.wanted

    def as_json(self) -> dict[str, object]:
        """Return it as an object."""
        return {**asdict(self), "rate": self.rate}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory, KiB. `car_kib`: what one car more costs the process that it lives in."""

    cars: int
    car_kib: float
    broker_kib: int
    centre_kib: int

    def as_json(self) -> dict[str, object]:
        """Return it as an object."""
        return asdict(self)


def phase(
    name: str, *, cars: int, wanted: int, started_s: float, ended_s: Sequence[float]
) -> Phase:
    """Return a phase from the moments at which each car was done; all on one clock."""
    took = sorted(moment - started_s for moment in ended_s)
    return Phase(
        name=name,
        cars=cars,
        wanted=wanted,
        done=len(took),
        seconds=took[-1] if took else 0.0,
        p50_s=percentile(took, 50),
        p99_s=percentile(took, 99),
        worst_s=took[-1] if took else math.nan,
    )


def each(name: str, *, cars: int, wanted: int, took_s: Sequence[float], seconds: float) -> Phase:
    """Return a phase in which each car had its own start: `took_s`, and `seconds` for all of them."""
    ordered = sorted(took_s)
    return Phase(
        name=name,
        cars=cars,
        wanted=wanted,
        done=len(ordered),
        seconds=seconds,
        p50_s=percentile(ordered, 50),
        p99_s=percentile(ordered, 99),
        worst_s=ordered[-1] if ordered else math.nan,
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the value below or at which `percent` of them lie (nearest rank), NaN of none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def resident_kib(pid: int) -> int:
    """Return a process's resident memory; 0 if it has gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB
    except OSError:
        return 0
