"""`tcu-sim vehicle`: options."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from tcu_sim.cli.output import say, say_json
from tcu_sim.errors import BadInput, ExpectationFailed
from tcu_sim.vehicle.language import help_text
from tcu_sim.vehicle.process import ProcessSettings, run_process
from tcu_sim.vehicle.reference import BENCH_SECOC_KEY
from tcu_sim.vehicle.secoc import FRESHNESS_LIMIT, KEY_BYTES
from tcu_sim.vehicle.steering import ScriptLine, read_script
from tcu_sim.vehicle.vehicle import VehicleSettings

DESCRIPTION = """\
The reference vehicle on a CAN channel: body control, ON CALL button, speed, satellites, network
management. It starts parked, locked and left, with its bus just woken. Steer it with a script, with
lines on standard input (--stdin), or over the control socket, each line answered by `ok` or `error`.
It ends with SIGTERM, SIGINT, or its script (exit status 1 when an `expect` has failed)."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `vehicle`."""
    parser = subparsers.add_parser(
        "vehicle",
        help="the virtual vehicle: ECUs that behave and misbehave",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--interface", default="slcan", help="of python-can (default: slcan)")
    parser.add_argument(
        "--channel", default="can-bus/vehicle", help="default: can-bus/vehicle, of `tcu-sim bus`"
    )
    parser.add_argument("--bitrate", type=int, metavar="BPS", help="for interfaces that want one")
    parser.add_argument(
        "--seed", type=int, default=0, help="of motor times, roads and noise (default: 0)"
    )
    parser.add_argument(
        "--secoc-key", type=Path, metavar="FILE", help="16 bytes; default: the published bench key"
    )
    parser.add_argument(
        "--last-freshness", type=int, default=0, metavar="N", help="SecOC value accepted last"
    )
    parser.add_argument(
        "--sleep-after", type=float, default=10.0, metavar="SECONDS", help="default: 10"
    )
    parser.add_argument(
        "--dbc", type=Path, metavar="FILE", help="default: the DBC that the agent ships"
    )
    parser.add_argument(
        "--script", type=Path, metavar="FILE", help="play it, then end (- = standard input)"
    )
    parser.add_argument("--stay", action="store_true", help="do not end with the script")
    parser.add_argument(
        "--stdin", action="store_true", help="obey lines of standard input; end with it"
    )
    parser.add_argument("--control", type=Path, metavar="PATH", help="unix socket for commands")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--help-commands", action="store_true", help="list the commands and exit")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the vehicle.

    Raises:
        BadInput: an option, the script or the channel is wrong.
    """
    if args.help_commands:
        say(help_text())
        return 0
    settings = _settings(args)
    try:
        asyncio.run(run_process(settings, report=say_json if args.json else _report_text))
    except ExpectationFailed as error:
        say(f"failed: {error}")
        return 1
    return 0


def _settings(args: argparse.Namespace) -> ProcessSettings:
    if args.stdin and str(args.script) == "-":
        raise BadInput("--stdin and --script - both want standard input: give one")
    return ProcessSettings(
        interface=args.interface,
        channel=args.channel,
        bitrate=args.bitrate,
        vehicle=_vehicle_settings(args),
        script=None if args.script is None else tuple(_script(args.script)),
        stays=args.stay,
        reads_stdin=args.stdin,
        control=args.control,
    )


def _vehicle_settings(args: argparse.Namespace) -> VehicleSettings:
    if not 0 <= args.last_freshness <= FRESHNESS_LIMIT:
        raise BadInput(f"--last-freshness {args.last_freshness}: 0 to {FRESHNESS_LIMIT}")
    if not 0 < args.sleep_after <= 86400:
        raise BadInput(f"--sleep-after {args.sleep_after}: above 0, at most 86400 seconds")
    return VehicleSettings(
        seed=args.seed,
        secoc_key=BENCH_SECOC_KEY if args.secoc_key is None else _key(args.secoc_key),
        last_freshness=args.last_freshness,
        sleep_after_s=args.sleep_after,
        database=args.dbc,
    )


def _key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: the SecOC key cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise BadInput(
            f"{path}: the SecOC key is {len(key)} bytes long; write {KEY_BYTES} bytes, nothing else"
        )
    return key


def _script(path: Path) -> list[ScriptLine]:
    if str(path) == "-":
        return read_script(sys.stdin, name="standard input")
    try:
        return read_script(path.read_text().splitlines(), name=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: the script cannot be read: {error}") from error


def _report_text(report: dict[str, Any]) -> None:
    if report["event"] == "ready":
        say(f"ready: {report['interface']}:{report['channel']}")
    else:
        say(report["said"])
