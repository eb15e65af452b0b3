"""`tcu-agent`: the command line of the agent. A person's mistake is one clear line and status 2, a bug is status 70."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from tcu_agent.cli import check, completion, decode, doctor, enrol, key, run, signals
from tcu_agent.errors import AgentError, EnrolmentError, KeyStoreError

EXIT_BAD_INPUT = 2
EXIT_BUG = 70
EXIT_TEMPORARY = 75
"""sysexits.h, EX_TEMPFAIL: the token with the key, or the enrolment server, is away. Whoever called may try again."""
EXIT_INTERRUPTED = 130


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all sub-commands."""
    parser = argparse.ArgumentParser(
        prog="tcu-agent",
        description="The software of a car's telematics control unit.",
        epilog="Status: 0 well, 2 something given to it is wrong, 70 a bug, 75 try again later: "
        "the token with the key, or the enrolment server, is away.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('tcu-agent')}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, check, doctor, enrol, key, signals, decode, completion):
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = make_parser().parse_args(argv)
    try:
        status: int = args.func(args)
    except AgentError as error:
        print(f"tcu-agent: {error}", file=sys.stderr)
        is_temporary = isinstance(error, KeyStoreError | EnrolmentError) and error.temporary
        return EXIT_TEMPORARY if is_temporary else EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is ours, and no traceback helps a driver
        print(f"tcu-agent: this is a bug: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_BUG
    return status
