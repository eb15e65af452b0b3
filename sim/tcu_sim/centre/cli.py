"""`tcu-sim centre`: the four services, together or one by one."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from tcu_sim.centre.account.schema import KEEPER_HOLD_S
from tcu_sim.centre.build import Surroundings
from tcu_sim.centre.ending import claimed
from tcu_sim.centre.mqtt import BrokerAddress
from tcu_sim.centre.pin.hashing import QUICK, Cost
from tcu_sim.centre.process import ProcessPlan, run_process
from tcu_sim.centre.supervise import Supervisor
from tcu_sim.cli.values import DAY_S, port, seconds_up_to
from tcu_sim.errors import BadInput
from tcu_sim.pki.bench_at import bench_at
from tcu_sim.pki.layout import SERVICES
from tcu_sim.pki.public import read_vehicles

MOST_HOLD_S = 30 * DAY_S
"""Who buys a car does not wait for longer; a hold without end would keep the former keeper's PIN for good."""
DESCRIPTION = """\
Runs the assistance centre: PIN authority (pin), command service (command), account service (account) and
theft desk (desk), each as a process of its own with its own key, token list and database. Without a name all
four are started and watched. `tcu-sim pki init DIR` makes the directory; `tcu-sim operator` and `tcu-sim app`
talk to what runs. The owner's letters lie in DIR/post/<address>/."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `centre`."""
    parser = subparsers.add_parser(
        "centre",
        help="the assistance centre: PIN authority, command, account, theft desk",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "service", nargs="?", choices=SERVICES, help="one service (default: all four)"
    )
    parser.add_argument(
        "--dir", type=Path, required=True, help="directory made by `tcu-sim pki init`"
    )
    parser.add_argument("--broker-host", default="127.0.0.1", metavar="HOST", help="(127.0.0.1)")
    parser.add_argument("--broker-port", type=port, default=1883, metavar="PORT", help="(1883)")
    parser.add_argument(
        "--mqtt", choices=("5", "3.1.1"), default="5", help="protocol version of the broker (5)"
    )
    parser.add_argument("--username", help="for the broker")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="for the broker")
    parser.add_argument(
        "--keeper-hold-s",
        type=seconds_up_to(MOST_HOLD_S),
        default=KEEPER_HOLD_S,
        metavar="S",
        help="how long a change of keeper waits (259200 = 72 h); a bench may shorten it",
    )
    parser.add_argument(
        "--quick-hashes", action="store_true", help="cheap PIN hashes, for slow test machines only"
    )
    parser.add_argument("--json", action="store_true", help="ready line as a JSON object")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    parser.add_argument(
        "--verbose", action="store_true", help="log all there is (never PINs, keys, positions)"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run one service or all of them.

    Raises:
        BadInput: an option or the directory is wrong, or the centre runs already.
    """
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    plan = _plan(args)
    if args.service is not None:
        asyncio.run(run_process(plan))
        return 0
    read_vehicles(plan.layout.vehicles)
    with claimed(plan.layout.run / "centre.lock", what="centre"):
        return asyncio.run(Supervisor(_pass_on(args), as_json=args.json).run())


def _plan(args: argparse.Namespace) -> ProcessPlan:
    password = None if args.password_file is None else _password(args.password_file)
    return ProcessPlan(
        name=args.service,
        layout=bench_at(args.dir),
        broker=BrokerAddress(
            host=args.broker_host,
            port=args.broker_port,
            version=args.mqtt,
            username=args.username,
            password=password,
        ),
        around=Surroundings(
            pin_cost=QUICK if args.quick_hashes else Cost(), keeper_hold_s=args.keeper_hold_s
        ),
        as_json=args.json,
        with_parent=args.with_parent,
    )


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--password-file {path}: cannot be read: {error}") from error


def _pass_on(args: argparse.Namespace) -> list[str]:
    """Return the options that every service is given."""
    options = ["--dir", str(args.dir), "--broker-host", args.broker_host]
    options += ["--broker-port", str(args.broker_port), "--mqtt", args.mqtt]
    options += ["--keeper-hold-s", str(args.keeper_hold_s)]
    if args.username is not None:
        options += ["--username", args.username]
    if args.password_file is not None:
        options += ["--password-file", str(args.password_file)]
    options += ["--quick-hashes"] * args.quick_hashes + ["--verbose"] * args.verbose
    return options
