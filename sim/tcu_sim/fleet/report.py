"""The figures as a table, line by line as they come, and how they grow."""

from __future__ import annotations

from typing import TextIO

from tcu_sim.fleet.measures import Memory, Phase

_HEAD = (
    f"{'cars':>6} {'phase':<10} {'done':>11} {'all in s':>9} {'a second':>9} "
    f"{'p50 s':>8} {'p99 s':>8} {'worst s':>8}"
)


class Report:
    """Everything measured in one call of the command."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._phases: list[Phase] = []
        self._memory: list[Memory] = []

    @property
    def is_complete(self) -> bool:
        """Whether nobody was left behind in any phase."""
        return all(phase.is_complete for phase in self._phases)

    def take(self, phase: Phase) -> None:
        """Print one phase."""
        if not self._phases:
            self._say(_HEAD)
        self._phases.append(phase)
        done = f"{phase.done}/{phase.wanted}"
        self._say(
            f"{phase.cars:>6} {phase.name:<10} {done:>11} {phase.seconds:>9.2f} {phase.rate:>9.1f} "
            f"{phase.p50_s:>8.3f} {phase.p99_s:>8.3f} {phase.worst_s:>8.3f}"
        )

    def take_memory(self, memory: Memory) -> None:
        """Print what it cost."""
        self._memory.append(memory)
        self._say(
            f"{memory.cars:>6} memory: {memory.car_kib:.0f} KiB a car, broker {memory.broker_kib} KiB, "
            f"centre {memory.centre_kib} KiB"
        )

    def tell_growth(self) -> None:
        """Print how each figure grows from the smallest fleet to the largest, as ratios."""
        sizes = sorted({phase.cars for phase in self._phases})
        if len(sizes) < 2:
            return
        least, most = sizes[0], sizes[-1]
        self._say(f"growth from {least} to {most} cars ({most / least:g} times as many):")
        names = dict.fromkeys(phase.name for phase in self._phases)
        for name in names:
            small, large = (self._find(name, size) for size in (least, most))
            if small.p50_s and small.rate:
                p50, p99 = large.p50_s / small.p50_s, large.p99_s / small.p99_s
                self._say(
                    f"  {name:<10} p50 x {p50:.1f}, p99 x {p99:.1f}, rate x {large.rate / small.rate:.1f}"
                )

    def as_json(self) -> dict[str, object]:
        """Return all of it as an object."""
        return {
            "phases": [phase.as_json() for phase in self._phases],
            "memory": [memory.as_json() for memory in self._memory],
        }

    def _find(self, name: str, cars: int) -> Phase:
        return next(phase for phase in self._phases if (phase.name, phase.cars) == (name, cars))

    def _say(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()
