"""`tcu-sim fleet`: many cars on one machine, in figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tcu_sim.errors import BadInput

if TYPE_CHECKING:
    from tcu_sim.fleet.report import Report

MOST_CARS = 5000
MOST_CALLS = 100
"""A call keeps the car's bus awake: a thousand of them at once did not end on two cores (docs/scaling.md)."""
FILES_PER_CAR = 8
"""Sockets, timers and pipes, with some to spare."""

DESCRIPTION = """\
Runs N cars (the whole agent each, with its own key, session and signatures; state and CAN bus in memory) against one
mosquitto and the four services of the centre, all on this machine: switches them on at once, gives each an account,
kills the broker (SIGKILL) and starts it again, unlocks each by PIN, and presses ON CALL in many of them at once.
Several sizes show how each figure grows. Status 1 if any car was left behind. PIN hashes are made cheap, for the
centre's own cost would hide the rest; everything else is what `tcu-sim centre` and `tcu-agent run` do."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `fleet`."""
    parser = subparsers.add_parser(
        "fleet",
        help="many cars on one machine: rates, latencies, memory",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-n",
        dest="sizes",
        type=_sizes,
        default=(1000,),
        metavar="N[,N...]",
        help="size of the fleet, or several: 10,100,1000 (default 1000)",
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=MOST_CALLS,
        metavar="N",
        help=f"how many press ON CALL at once (default {MOST_CALLS}, or all of a smaller fleet)",
    )
    parser.add_argument(
        "--operators", type=int, default=16, metavar="N", help="how many work at once (default 16)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--dir", type=Path, metavar="DIR", help="keep keys, stores and logs there (must not exist)"
    )
    parser.set_defaults(func=run)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number, or numbers with commas"
        ) from None
    if not all(1 <= size <= MOST_CARS for size in sizes):
        raise argparse.ArgumentTypeError(f"a fleet has 1 to {MOST_CARS} cars")
    return sizes


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status.

    Raises:
        BadInput: the machine or the options do not allow it.
    """
    _allow_files(max(args.sizes))
    if args.operators < 1 or args.calls < 1:
        raise BadInput("--operators and --calls: 1 or more")
    if args.dir is not None and args.dir.exists():
        raise BadInput(f"--dir {args.dir}: exists already")
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}")
    with tempfile.TemporaryDirectory(prefix="tcu-fleet-") as scratch:
        return asyncio.run(_run(args, args.dir or Path(scratch)))


async def _run(args: argparse.Namespace, folder: Path) -> int:
    from tcu_sim.fleet.report import Report

    report = Report(sys.stdout)
    for size in args.sizes:
        await _play(size, folder / f"fleet-{size}", args, report)
    report.tell_growth()
    if args.json is not None:
        args.json.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    return 0 if report.is_complete else 1


async def _play(size: int, folder: Path, args: argparse.Namespace, report: Report) -> None:
    from tcu_sim.fleet.measures import Memory
    from tcu_sim.fleet.story import Story
    from tcu_sim.fleet.town import open_town

    async with open_town(folder, cars=size) as town:
        story = Story(town=town, operators=args.operators)
        report.take(await story.connect())
        report.take(await story.accounts())
        report.take(await story.reconnect())
        report.take(await story.unlocks())
        callers: Sequence[str] = town.vehicle_ids[: args.calls]
        report.take(await story.calls(callers))
        car_kib, broker_kib, centre_kib = town.memory_kib()
        report.take_memory(
            Memory(cars=size, car_kib=car_kib, broker_kib=broker_kib, centre_kib=centre_kib)
        )


def _allow_files(cars: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < cars * FILES_PER_CAR:
        raise BadInput(
            f"{cars} cars need {cars * FILES_PER_CAR} open files, this shell may have {most}: raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
