"""`tcu-sim crash`: kills in, counts out; status 1 if any count is not as it must be."""

from __future__ import annotations

import argparse
import os
import secrets
import time
from pathlib import Path

from tcu_sim.cli.output import say
from tcu_sim.errors import BadInput

DESCRIPTION = """\
Kills a real `tcu-agent run` with SIGKILL, at named points between and inside its effects and at random moments, starts
it again, and counts what must never happen: double actuations, lost events, replays accepted, positions after the stop
time, intents without a reported outcome. Broker, bus, car, centre and witness live on. docs/crash-campaign.md says
what is counted by whom. The evidence of a lane with findings stays in the results folder."""
MOST_KILLS = 1_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `crash`."""
    parser = subparsers.add_parser(
        "crash",
        help="kill a real agent again and again, and count",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--seed", type=int, metavar="SEED", help="default: drawn, and printed")
    parser.add_argument(
        "--processes", type=int, default=2 * (os.cpu_count() or 1) + 1, metavar="N",
        help="lanes at a time (two a core, and one)",
    )  # fmt: skip
    parser.add_argument(
        "--results", type=Path, default=Path("build/crash"), metavar="DIR",
        help="where evidence is left (build/crash)",
    )  # fmt: skip
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the campaign.

    Raises:
        BadInput: an option is wrong.
    """
    from tcu_sim.campaign.campaign import plans, results
    from tcu_sim.campaign.report import Sum, lines

    if not 1 <= args.kills <= MOST_KILLS or args.processes < 1:
        raise BadInput(f"--kills is 1 to {MOST_KILLS}, --processes counts from 1")
    seed = secrets.randbelow(1_000_000) if args.seed is None else args.seed
    say(f"seed {seed}")
    began, total = time.monotonic(), Sum()
    folder = args.results.absolute()
    for result in results(
        plans(kills=args.kills, seed=seed, folder=folder), processes=args.processes
    ):
        total.add(result)
        state = "well" if result.is_well else "FAILED"
        say(f"lane {result.seed}: {result.kills} kills, {state} ({time.monotonic() - began:.0f} s)")
    for line in lines(total, seed=seed, evidence=str(folder)):
        say(line)
    return 0 if total.is_well else 1
