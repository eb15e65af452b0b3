"""The same as `bus_cost`, on the kernel's own CAN: on the interface that TCU_BENCH_CAN names, else in a guest.

Where this kernel has no CAN, a user-mode Linux of Debian's runs the benchmark on its vcan0. System calls are dear there
(about 50 microseconds), which puts the ratio in favour of who makes few of them; docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from benchmarks.bus_cost import compare
from benchmarks.drive import ROOT
from benchmarks.figures import Figure

INTERFACE: Final = "TCU_BENCH_CAN"
_TARGET = 10.0
_RESULTS = ROOT / "results" / "benchmark"
_LIMIT_S = 900
_MOST_ROUNDS = 3


def measure(rounds: int) -> Iterator[Figure]:
    """Yield CPU microseconds a frame against both others, for each database."""
    channel = os.environ.get(INTERFACE)
    if channel is not None:
        yield from compare("socketcan", channel, rounds=rounds, target=_TARGET)
        return
    yield from in_guest("bus_cost_socketcan", rounds)


def in_guest(name: str, rounds: int) -> list[Figure]:
    """Run one benchmark in user-mode Linux on vcan0; fewer rounds there, it takes its time.

    Raises:
        SystemExit: the guest did not bring it to its end.
    """
    rounds = min(rounds, _MOST_ROUNDS)
    file = _RESULTS / f"{name}.json"
    guest = f"-m scripts.guest --results {_RESULTS} --limit-s {_LIMIT_S} --env {INTERFACE}=vcan0"
    modules = "--module vcan --module can-raw --module can-bcm --interface vcan0"
    inside = f"-m benchmarks {name} --rounds {rounds} --json {file}"
    command = [
        sys.executable,
        *guest.split(),
        *modules.split(),
        "--",
        sys.executable,
        *inside.split(),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE)  # noqa: S603 -- this very program
    if done.returncode:
        raise SystemExit(
            f"the guest ended with status {done.returncode}: see {_RESULTS}/output.log"
        )
    return [Figure(**found) for found in json.loads(file.read_text())]
