"""Runs the benchmarks: every module of this folder that has a `measure`.

python -m benchmarks                          all of them, five rounds each
python -m benchmarks decode_path --rounds 3   one
python -m benchmarks --json FILE              also as a list of objects
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import benchmarks
from benchmarks.figures import Benchmark, Figure, as_json, machine

ROUNDS = 5


def known() -> dict[str, Benchmark]:
    """Return every benchmark by its name."""
    names = sorted(found.name for found in pkgutil.iter_modules(benchmarks.__path__))
    modules = {
        name: importlib.import_module(f"benchmarks.{name}") for name in names if name != "__main__"
    }
    return {name: module.measure for name, module in modules.items() if hasattr(module, "measure")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status; a target that is missed is a figure, a benchmark that gives up a failure."""
    there = known()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(there)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - there.keys():
        parser.error(
            f"no such benchmark: {', '.join(sorted(unknown))}; there is {', '.join(there)}"
        )
    print(machine(), flush=True)
    figures: list[Figure] = []
    gave_up = [
        name
        for name in given.names or there
        if not _carried_out(name, there, given.rounds, figures)
    ]
    if given.json is not None:
        given.json.write_text(as_json(figures))
    if gave_up:
        print(f"gave up: {', '.join(gave_up)}", file=sys.stderr)
    return 1 if gave_up else 0


def _carried_out(
    name: str, there: Mapping[str, Benchmark], rounds: int, figures: list[Figure]
) -> bool:
    """Add the figures of one benchmark; return whether it came to its end. The others are none the worse for it."""
    started = time.monotonic()
    try:
        for figure in there[name](rounds):
            print(figure.line(), flush=True)
            figures.append(figure)
    except SystemExit as error:  # what a benchmark says when it cannot give a fair figure
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return False
    except Exception:  # noqa: BLE001 -- an hour of other figures is worth more
        traceback.print_exc()
        return False
    print(f"({name} took {time.monotonic() - started:.0f} s)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
