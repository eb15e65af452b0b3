"""`tcu-sim demo`: options, and the exit status that scripts rely on."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path

from tcu_sim.demo.can_source import CanEnds, bus_options
from tcu_sim.demo.play import DemoOptions, play_demo
from tcu_sim.demo.report import JsonReport, PlainReport, Report
from tcu_sim.demo.told import Told, until_told
from tcu_sim.demo.vehicle_key import FILE, KINDS
from tcu_sim.errors import BadInput, CommandError, SimulatorError
from tcu_sim.vehicle.language import parse

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
    parser.add_argument(
        "--can",
        metavar="AGENT[,OTHERS]",
        help="a bus that is up already, such as socketcan:can0,socketcan:can1: the agent's end, and the end of "
        "vehicle and observer (default: the agent's; without the option a bus is started)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="on a slow machine: wait so many times longer for parts and sightings (default: 1)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Play the demo; 0 when every step was as expected, else 1, or 128 and the number of the signal that ended it.

    Raises:
        BadInput: an option is wrong; nothing was started.
    """
    report: Report = JsonReport(sys.stdout) if args.json else PlainReport(sys.stdout)
    options = _options(args)
    try:
        ended = asyncio.run(until_told(play_demo(options, report)))
    except SimulatorError as error:
        report.say(f"the set-up failed: {error}")
        return 1
    if isinstance(ended, Told):
        return ended.status
    return 0 if ended.result else 1


def _options(args: argparse.Namespace) -> DemoOptions:
    for line in args.vehicle:
        try:
            parse(line)
        except CommandError as error:
            raise BadInput(f"--vehicle {line!a}: {error}") from error
    return DemoOptions(
        keep=None if args.keep is None else _folder(args.keep),
        embedded_broker=args.embedded_broker,
        agent=None if args.agent is None else _agent(args.agent),
        vehicle_lines=tuple(args.vehicle),
        vehicle_key=args.vehicle_key,
        can=None if args.can is None else _can(args.can),
        patience=_patience(args.patience),
    )


def _can(text: str) -> CanEnds:
    agent, comma, others = text.partition(",")
    ends = CanEnds(agent, others if comma else agent)
    for address in (ends.agent, ends.others):
        bus_options(address)
    return ends


def _patience(factor: float) -> float:
    if not 1.0 <= factor <= 100.0:
        raise BadInput(f"--patience {factor:g}: 1 to 100")
    return factor


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"--keep {path}: no directory can be made there: {error.strerror}"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"--keep {path}: nothing can be written there")
    return path


def _agent(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadInput(f"--agent {text!a}: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise BadInput(f"--agent {text!a}: there is no such program")
    return words
