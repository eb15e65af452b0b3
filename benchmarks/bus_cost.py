"""What a frame of a busy bus costs a program that listens: ours, the usual way, and the plainest. On `virtual`.

The usual way in asyncio is python-can's `Notifier(loop=)` with `decode_message`; the plainest a thread that does
nothing else. Each way listens in a process of its own to the same five seconds of a real drive at their own pace.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.drive import CASES
from benchmarks.figures import Figure, compared

_SECONDS = 5.0
_TARGET = 5.0
_OTHERS = {"notifier": "Notifier(loop=) and decode_message", "blocking": "a blocking loop"}


def measure(rounds: int) -> Iterator[Figure]:
    """Yield CPU microseconds a frame against both others, for each database."""
    yield from compare("virtual", "benchmark", rounds=rounds, target=_TARGET)


def compare(interface: str, channel: str, *, rounds: int, target: float) -> Iterator[Figure]:
    """Yield the figures of one interface."""
    for case in CASES:
        costs: dict[str, list[float]] = {"ours": [], **{way: [] for way in _OTHERS}}
        for _ in range(rounds):
            for way, found in costs.items():
                found.append(_cost_us(way, interface, channel, case))
        for way, words in _OTHERS.items():
            yield compared(
                f"{interface}, {case} database: CPU a frame",
                ours=costs["ours"],
                others=costs[way],
                unit="us",
                against=words,
                target=target if way == "notifier" else None,
            )


def _cost_us(way: str, interface: str, channel: str, case: str) -> float:
    """Return the CPU time for each frame that the way has noticed: who lost some has not worked for them."""
    options = {"way": way, "interface": interface, "channel": channel, "case": case}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    command = (sys.executable, "-m", "benchmarks.listeners", "--seconds", str(_SECONDS), *arguments)
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 -- this very program
    found = json.loads(done.stdout)
    cost_us: float = found["cpu_s"] / found["noticed"] * 1e6
    return cost_us
