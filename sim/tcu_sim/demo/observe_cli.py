"""`tcu-sim observe`: a witness on CAN and broker."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tcu_sim.centre.words import word_of
from tcu_sim.demo.can_watch import CanWatch
from tcu_sim.demo.mqtt_watch import MqttWatch
from tcu_sim.demo.observer import PROTOCOLS, BrokerAddress, observe, open_out
from tcu_sim.demo.reference import reference_dbc
from tcu_sim.errors import BadInput
from tcu_sim.pki.ceremony import read_trust
from tcu_sim.pki.public import read_vehicles

DESCRIPTION = """\
Listens on CAN and broker, asks for nothing, and writes what it sees, one JSON object a line: central locking commands,
changes of locks, doors, lamp and call; every message with its type, its result or reason, and whether its signature is
good. Never a PIN, never a position. SIGTERM and SIGINT end it."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `observe`."""
    parser = subparsers.add_parser(
        "observe",
        help="a witness: what passes on CAN and broker, one JSON object a line",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--can", required=True, metavar="INTERFACE:CHANNEL", help="its own node on the bus"
    )
    parser.add_argument("--mqtt", required=True, metavar="HOST:PORT", help="the broker")
    parser.add_argument(
        "--mqtt-version",
        choices=tuple(PROTOCOLS),
        default="5",
        help="3.1.1 does not show what was published as retained (default: 5)",
    )
    parser.add_argument(
        "--public",
        required=True,
        type=Path,
        metavar="DIR",
        help="the bench's folder with vehicles.toml, roots.toml and trust.cbor",
    )
    parser.add_argument("--dbc", type=Path, help="default: the reference vehicle's")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="- is stdout")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Observe until ended.

    Raises:
        BadInput: an option or a file is wrong.
        SimulatorError: bus or broker cannot be reached, or went away.
    """
    register = read_vehicles(args.public / "vehicles.toml")
    trusted = read_trust(args.public, register.environment)
    watch = MqttWatch(register=register, trusted=trusted, reason_word=word_of)
    to_stdout = args.out == Path("-")
    out = sys.stdout if to_stdout else open_out(args.out)
    try:
        asyncio.run(
            observe(
                can_watch=CanWatch(args.dbc or reference_dbc()),
                mqtt_watch=watch,
                can_address=args.can,
                broker=_broker(args.mqtt, args.mqtt_version),
                out=out,
            )
        )
    finally:
        if not to_stdout:
            out.close()
    return 0


def _broker(address: str, version: str) -> BrokerAddress:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise BadInput(f"--mqtt {address}: write host:port, such as 127.0.0.1:1883")
    return BrokerAddress(host, int(port), version)
