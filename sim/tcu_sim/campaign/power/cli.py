"""`tcu-sim power-cut`: as `crash`, and the disk forgets what was not synced. For a guest (`make power-cut`)."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from pathlib import Path

from tcu_sim.cli.output import say
from tcu_sim.errors import BadInput

DESCRIPTION = """\
As `tcu-sim crash`, with the agent's state on a disk that loses power at each kill: writes that were not synced are
dropped (dm-flakey), or a random part of them is kept (dm-log-writes), and the kernel seems to have booted anew. It
mounts and unmounts, so it runs in user-mode Linux alone: `make power-cut` starts one."""
MOST_KILLS = 100_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `power-cut`."""
    parser = subparsers.add_parser(
        "power-cut",
        help="as crash, with a disk that loses what was not synced (in a guest)",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--seed", type=int, metavar="SEED", help="default: drawn, and printed")
    parser.add_argument(
        "--results", type=Path, default=Path("build/power-cut"), metavar="DIR",
        help="where evidence is left (build/power-cut)",
    )  # fmt: skip
    parser.add_argument("--program", nargs="+", metavar="WORD", help=argparse.SUPPRESS)
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the campaign.

    Raises:
        BadInput: an option is wrong.
        CampaignError: this is no guest.
    """
    from tcu_sim.campaign.power.disk import check_guest
    from tcu_sim.campaign.power.lane import PowerPlan, play
    from tcu_sim.campaign.power.preloaded_board import PRELOADED
    from tcu_sim.campaign.report import Sum, lines

    if not 1 <= args.kills <= MOST_KILLS:
        raise BadInput(f"--kills is 1 to {MOST_KILLS}")
    check_guest()
    seed = secrets.randbelow(1_000_000) if args.seed is None else args.seed
    say(f"seed {seed}")
    program = PRELOADED if args.program is None else ("-m", *args.program)
    with tempfile.TemporaryDirectory(prefix="tcu-power-") as folder:
        plan = PowerPlan(
            folder=Path(folder) / "lane",
            results=args.results.absolute(),
            seed=seed,
            kills=args.kills,
            program=program,
            told=say,
        )
        result = asyncio.run(play(plan))
    total = Sum()
    total.add(result)
    for line in lines(total, seed=seed, evidence=str(plan.results)):
        say(line)
    return 0 if total.is_well else 1
