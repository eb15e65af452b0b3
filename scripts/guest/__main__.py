"""Runs a command in a Linux of its own and ends with its exit status.

The guest sees this machine's files but can change none of them; what it writes into --results stays, with output.log
(the command's output, passed on while it runs) and console.log (the kernel's). Needs root for what it does inside,
not outside; installs what is missing (Debian) or says what to install. Exit status 124: out of time; 125: the guest
did not get as far as the command, or died under it.

  python -m scripts.guest --results results/try --module vcan --module can-raw --interface vcan0 -- candump -n 1 vcan0
  python -m scripts.guest --results results/try --module dm-flakey --module loop -- scripts/something
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.guest.errors import GuestUnavailable
from scripts.guest.plan import CANNOT_START, Plan
from scripts.guest.qemu import Qemu
from scripts.guest.run import Machine, run
from scripts.guest.user_mode import UserModeLinux

ROOT = Path(__file__).resolve().parents[2]
PASSED_ON = ("CI", "TCU_TEST_DATA")
"""Of this machine's environment, this much is always given to the command."""
MACHINES: dict[str, Callable[[], Machine]] = {
    "uml": UserModeLinux,
    "qemu": lambda: Qemu(ROOT / ".cache" / "guest"),
}


def main(arguments: list[str] | None = None) -> int:
    """Return the command's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.guest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--kernel",
        choices=MACHINES,
        default="uml",
        help="uml: user-mode Linux, quick, vcan and disks; qemu: can0 and can1 are CAN controllers (default: uml)",
    )
    parser.add_argument("--results", type=Path, required=True, help="the folder that stays")
    parser.add_argument("--limit-s", type=float, default=300.0, help="default: %(default)s")
    parser.add_argument("--memory-mb", type=int, default=1536, help="default: %(default)s")
    parser.add_argument("--module", action="append", default=[], help="kernel module to load")
    parser.add_argument("--interface", action="append", default=[], help="vcan interface to make")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "command", nargs="+", metavar="COMMAND", help="with its arguments, behind --"
    )
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return run(_plan(given), MACHINES[given.kernel]())
    except GuestUnavailable as error:
        print(f"guest: {error}", file=sys.stderr)
        return CANNOT_START


def _plan(given: argparse.Namespace) -> Plan:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= dict(one.split("=", 1) for one in given.env)
    return Plan(
        command=tuple(given.command),
        directory=ROOT,
        results=given.results.absolute(),
        limit_s=given.limit_s,
        memory_mb=given.memory_mb,
        modules=tuple(given.module),
        interfaces=tuple(given.interface),
        environment=environment,
    )


if __name__ == "__main__":
    sys.exit(main())
