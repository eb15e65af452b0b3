"""`tcu-agent signals` on the recording, against `cantools decode` and a plain loop of python-can and cantools.

Whole programs, from the file to the last line on standard output, imports and the DBC included. In CPU time, which is
what a person waits for on a machine that has nothing else to do.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.drive import CASES, LOG, Case, case, frames
from benchmarks.figures import Figure, compared

_PLAIN_LOOP: Final = """
import contextlib, sys, can, cantools
database = cantools.database.load_file(sys.argv[1])
with contextlib.suppress(ValueError):  # the recording ends in the middle of a line
    for message in can.LogReader(sys.argv[2]):
        with contextlib.suppress(KeyError, cantools.database.DecodeError):
            print(message.timestamp, database.decode_message(message.arbitration_id, message.data))
"""


def measure(rounds: int) -> Iterator[Figure]:
    """Yield frames a second for each database, against both others."""
    count = len(frames())
    for name in CASES:
        known = case(name)
        ways = {
            "ours": ("-m", "tcu_agent", "signals", *_signals_arguments(known)),
            "cantools decode": ("-m", "cantools", "decode", str(known.dbc)),
            "a plain loop": ("-c", _PLAIN_LOOP, str(known.dbc), str(LOG)),
        }
        speeds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, arguments in ways.items():
                speeds[way].append(count / _cpu_seconds(arguments, LOG))
        for way in ("cantools decode", "a plain loop"):
            yield compared(
                f"signals, {name} database",
                ours=speeds["ours"],
                others=speeds[way],
                unit="frames/s",
                against=way,
                is_cost=False,
            )


def _signals_arguments(known: Case) -> Sequence[str]:
    return ("--map", str(known.map_file), "--dbc", str(known.dbc), "--log", str(LOG))


def _cpu_seconds(arguments: Sequence[str], standard_input: Path) -> float:
    with standard_input.open("rb") as given:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(  # noqa: S603 -- this very interpreter
            (sys.executable, *arguments),
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
