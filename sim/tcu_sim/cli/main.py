"""`tcu-sim`: one sub-command a part.

Only the part that is asked for is loaded, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from tcu_sim.cli.interruption import INTERRUPTED_STATUS, leaving_at_once
from tcu_sim.errors import SimulatorError

PARTS = {
    "bus": ("tcu_sim.bus.cli", "a CAN bus between processes, also without CAN in the kernel"),
    "vehicle": ("tcu_sim.vehicle.cli", "the virtual vehicle: ECUs that behave and misbehave"),
    "pki": ("tcu_sim.pki.cli", "keys of a bench: make them, show the public ones"),
    "est": ("tcu_sim.est.cli", "where vehicles enrol: certificates and trust"),
    "centre": (
        "tcu_sim.centre.cli",
        "the assistance centre: PIN authority, command, account, theft desk",
    ),
    "operator": (
        "tcu_sim.centre.operator_cli",
        "Assistance by hand: calls, unlock, theft cases, new PINs",
    ),
    "app": ("tcu_sim.centre.app_cli", "the owner's app by hand: link, users, end of subscription"),
    "observe": ("tcu_sim.demo.observe_cli", "a witness: what passes on CAN and broker"),
    "simulate": (
        "tcu_sim.bench.simulation.cli",
        "any history at all, from a seed: judged, shrunk, kept",
    ),
    "fleet": ("tcu_sim.fleet.cli", "many cars on one machine: rates, latencies, memory"),
    "crash": ("tcu_sim.campaign.cli", "kill a real agent again and again, and count"),
    "power-cut": (
        "tcu_sim.campaign.power.cli",
        "as crash, with a disk that loses what was not synced (in a guest)",
    ),
    "cloud-faults": ("tcu_sim.faults.cli", "break the link to the broker in every way, and count"),
    "demo": ("tcu_sim.demo.cli", "the main job from end to end, each step as an observer saw it"),
}
"""Name of the sub-command: module with `add_parser(subparsers)`, and its line in `--help`."""

BAD_INPUT_STATUS = 2
BROKEN_PIPE_STATUS = 128 + 13


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 when what the person gave is wrong)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with leaving_at_once():  # while the part is loaded, which takes the longest
            args = _parser(arguments).parse_args(arguments)
        status: int = args.func(args)
    except SimulatorError as error:
        print(f"tcu-sim: {error}", file=sys.stderr)
        return BAD_INPUT_STATUS
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; what is left in the buffer would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE_STATUS
    return status


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tcu-sim", description="The bench for tcu-agent.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('tcu-sim')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name, (module, summary) in PARTS.items():
        if name == wanted:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


if __name__ == "__main__":
    sys.exit(main())
