"""`tcu-sim cloud-faults`: the link under every fault, and a table of what got through."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tcu_sim.cli.output import say
from tcu_sim.demo.told import Told, until_told
from tcu_sim.errors import BadInput

if TYPE_CHECKING:
    from tcu_sim.faults.campaign import Plan

DESCRIPTION = """\
Starts a real agent, mosquitto with TLS, and a centre that stores, with a proxy on each way; breaks the link in every
way on the list while people use the car; and counts: events made against events stored, each once and in order, and
stale commands acted on. Status 1 if any count is not as it must be. docs/cloud-link.md says what is counted by whom."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `cloud-faults`."""
    parser = subparsers.add_parser(
        "cloud-faults",
        help="break the link to the broker in every way, and count",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="cases whose name has this in it",
    )
    parser.add_argument("--seed", type=int, default=1, help="of keys and noise (1)")
    parser.add_argument("--acl", type=Path, metavar="FILE", help="rules for cars, for mosquitto")
    parser.add_argument(
        "--broker", metavar="COMMAND",
        help="another broker than mosquitto, without TLS: it is given a port and says 'ready'",
    )  # fmt: skip
    parser.add_argument(
        "--mqtt", choices=("5", "3.1.1"), default="5", help="what that broker speaks (5)"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("build/cloud-faults"), metavar="DIR",
        help="where logs and stores are left (build/cloud-faults)",
    )  # fmt: skip
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the campaign.

    Raises:
        SimulatorError: something is missing or cannot be started.
    """
    from tcu_sim.faults.broker import other
    from tcu_sim.faults.campaign import Plan
    from tcu_sim.faults.cases import CASES

    cases = [case for case in CASES if not args.only or any(t in case.name for t in args.only)]
    if not cases:
        raise BadInput(f"--only: no case has {' or '.join(args.only)} in its name")
    words = None if args.broker is None else shlex.split(args.broker)
    plan = Plan(
        cases=cases,
        folder=args.results.absolute(),
        seed=args.seed,
        broker=None if words is None else partial(other, words=words, mqtt_version=args.mqtt),
        acl=args.acl,
    )
    ended = asyncio.run(until_told(_play(plan)))
    return ended.status if isinstance(ended, Told) else ended.result


async def _play(plan: Plan) -> int:
    from tcu_sim.faults.campaign import HEAD, line, rows

    say(f"| {' | '.join(HEAD)} |")
    say(f"|{'---|' * len(HEAD)}")
    all_well = True
    async for row in rows(plan):
        say(f"| {' | '.join(line(row))} |")
        all_well = all_well and row.is_well
    say("all well" if all_well else f"NOT all well; logs and stores are in {plan.folder}")
    return 0 if all_well else 1
