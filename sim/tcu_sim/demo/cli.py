"""`tcu-sim demo`: options, and the exit status that scripts rely on."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from pathlib import Path

from tcu_sim.demo.play import DemoOptions, play_demo
from tcu_sim.demo.report import JsonReport, PlainReport, Report
from tcu_sim.demo.vehicle_key import FILE, KINDS
from tcu_sim.errors import SimulatorError

ENDED_BY_SIGTERM = 128 + 15
DESCRIPTION = """\
Starts broker, bus, virtual vehicle, the four services of the centre, the agent and an observer, each as a
process of its own, plays the main job and tells for each step what the observer SAW. Everything it started is
ended at the end. The last line is `demo: N of N steps as expected`; the exit status is 0 only then."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="the main job from end to end, each step as an observer saw it",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a step (step, expected, seen, ok, number, duration_s) on stdout, nothing else",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep all logs and the observer's trace there"
    )
    parser.add_argument(
        "--embedded-broker",
        action="store_true",
        help="use the embedded MQTT 3.1.1 broker even if mosquitto is there",
    )
    parser.add_argument(
        "--agent",
        metavar="COMMAND",
        help="another agent to try, called as COMMAND run -c FILE (default: tcu-agent)",
    )
    parser.add_argument(
        "--vehicle",
        action="append",
        default=[],
        metavar="LINE",
        help="a line for the virtual vehicle before the first step, such as a fault; may be repeated",
    )
    parser.add_argument(
        "--vehicle-key",
        choices=KINDS,
        default=FILE,
        help="where the vehicle's signing key is: a file, or a PKCS#11 token that it cannot leave (needs SoftHSM)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Play the demo; 0 when every step was as expected, else 1."""
    report: Report = JsonReport(sys.stdout) if args.json else PlainReport(sys.stdout)
    options = DemoOptions(
        keep=args.keep,
        embedded_broker=args.embedded_broker,
        agent=tuple(shlex.split(args.agent)) if args.agent else None,
        vehicle_lines=tuple(args.vehicle),
        vehicle_key=args.vehicle_key,
    )
    try:
        return 0 if asyncio.run(play_demo(options, report)) else 1
    except asyncio.CancelledError:
        return ENDED_BY_SIGTERM
    except SimulatorError as error:
        report.say(f"the set-up failed: {error}")
        return 1
