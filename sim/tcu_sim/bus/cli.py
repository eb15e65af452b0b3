"""`tcu-sim bus`: options, and where the hub's reports are printed."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tcu_sim.bus import socketcan
from tcu_sim.bus.faults import LinkFaults
from tcu_sim.bus.frame import BitRate
from tcu_sim.bus.hub import HubSettings, run_hub
from tcu_sim.bus.hub_language import read_fault
from tcu_sim.cli.output import say, say_json
from tcu_sim.control.words import WordReader, split
from tcu_sim.errors import BadInput, BusUnreachable

DESCRIPTION = """\
A CAN bus for processes of this machine. Where the kernel has CAN it is vcan0; else each node
gets a pseudo terminal DIR/NODE that speaks slcan, for python-can:
    can.Bus(interface="slcan", channel="DIR/NODE", sleep_after_open=0)
Frames of one node go to all others. SIGUSR1 prints the statistics, SIGTERM and SIGINT end it (and
print them).
The control socket understands: cut NODE | heal NODE | fault NODE KIND RATE | statistics."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `bus`."""
    parser = subparsers.add_parser(
        "bus",
        help="a CAN bus between processes, also without CAN in the kernel",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--interface",
        choices=("auto", "slcan", "socketcan"),
        default="auto",
        help="auto: vcan0 where possible",
    )
    parser.add_argument(
        "--nodes", nargs="+", default=["tcu", "vehicle", "observer"], metavar="NODE"
    )
    parser.add_argument(
        "--dir", type=Path, default=Path("can-bus"), help="folder of the nodes (default: ./can-bus)"
    )
    parser.add_argument(
        "--channel", default="vcan0", help="name of the SocketCAN interface (default: vcan0)"
    )
    parser.add_argument(
        "--bitrate", type=int, metavar="BPS", help="let frames take their time on the wire"
    )
    parser.add_argument(
        "--data-bitrate", type=int, metavar="BPS", help="of FD frames' data (default: as --bitrate)"
    )
    parser.add_argument(
        "--queue", type=int, default=4096, metavar="FRAMES", help="bound of a slow reader's queue"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="'NODE KIND RATE'", help="may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument(
        "--control", type=Path, metavar="PATH", help="unix socket for commands while it runs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run the bus until it is ended.

    Raises:
        BadInput: an option is wrong.
        BusUnreachable: SocketCAN was asked for and is not there.
    """
    report = partial(_report_json if args.json else _report_text, args.nodes)
    needs_hub = bool(args.fault or args.bitrate or args.control)
    if args.interface == "socketcan":
        if needs_hub:
            raise BadInput(
                "--fault, --bitrate and --control are the hub's own: use --interface slcan"
            )
        asyncio.run(socketcan.hold_vcan(args.channel, report=report))
    elif args.interface == "slcan" or needs_hub or not _held_by_kernel(args.channel, report):
        asyncio.run(run_hub(_settings(args), report=report))
    return 0


def _held_by_kernel(channel: str, report: Callable[[dict[str, Any]], None]) -> bool:
    """Serve SocketCAN to its end, or find that it cannot be had (a kernel without vcan, for one)."""
    if not socketcan.is_worth_trying(channel):
        return False
    try:
        asyncio.run(socketcan.hold_vcan(channel, report=report))
    except BusUnreachable:
        return False
    return True


def _settings(args: argparse.Namespace) -> HubSettings:
    if args.queue < 1:
        raise BadInput(f"--queue {args.queue}: at least 1")
    return HubSettings(
        directory=args.dir,
        nodes=tuple(args.nodes),
        bit_rate=_bit_rate(args.bitrate, args.data_bitrate),
        queue_frames=args.queue,
        seed=args.seed,
        faults=_faults(args.fault),
        control=args.control,
    )


def _bit_rate(nominal_bps: int | None, data_bps: int | None) -> BitRate | None:
    if nominal_bps is None:
        if data_bps is not None:
            raise BadInput("--data-bitrate needs --bitrate")
        return None
    data_bps = nominal_bps if data_bps is None else data_bps
    if not 5_000 <= nominal_bps <= 1_000_000 or not nominal_bps <= data_bps <= 8_000_000:
        raise BadInput("--bitrate is 5000 to 1000000, --data-bitrate from there to 8000000 bit/s")
    return BitRate(nominal_bps, data_bps)


def _faults(lines: list[str]) -> dict[str, LinkFaults]:
    faults: dict[str, LinkFaults] = {}
    for line in lines:
        reader = WordReader(split(line))
        node = reader.word("node").text
        faults[node] = read_fault(reader, faults.get(node, LinkFaults()))
    return faults


def _report_json(nodes: list[str], report: dict[str, Any]) -> None:
    say_json({**_nodes_of(nodes, report), **report})


def _report_text(nodes: list[str], report: dict[str, Any]) -> None:
    if report["event"] == "ready":
        say(f"ready: interface {report['interface']}")
        for name, channel in {**_nodes_of(nodes, report), **report}["nodes"].items():
            say(f"  {name}: {channel}")
        return
    say(f"statistics: {report['frames']} frames")
    for name, counters in report["nodes"].items():
        say(f"  {name}: " + ", ".join(f"{key} {value}" for key, value in counters.items()))


def _nodes_of(nodes: list[str], report: dict[str, Any]) -> dict[str, Any]:
    """On SocketCAN every node opens the same channel."""
    if report["event"] != "ready" or "nodes" in report:
        return {}
    return {"nodes": dict.fromkeys(nodes, report["channel"])}
