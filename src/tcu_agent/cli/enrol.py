"""`tcu-agent enrol`: get the vehicle's certificate and trust bundle, or new ones in time."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `enrol` sub-command."""
    parser = subparsers.add_parser(
        "enrol",
        help="get certificate and trust bundle, or new ones before they end",
        description="Enrol this vehicle at the server in [enrolment] (EST, RFC 7030), or renew what ends within "
        "renew_before_days; else do nothing. Keys are made here and never leave. Whatever fails leaves the old "
        "identity in force. A timer may call it every day, with the agent running. Status 75: try again later.",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="tcu.toml")
    parser.add_argument("--force", action="store_true", help="renew now, whatever is left")
    parser.add_argument(
        "--password",
        action="store_true",
        help="enrol now by the one-time password, even with a certificate in force (it may be revoked)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status.

    Raises:
        ConfigError, KeyStoreError, EnrolmentError: see `enrolling.enrol`.
    """
    from tcu_agent.config import load
    from tcu_agent.enrolment.enrolling import enrol

    enrolled = enrol(load(args.config), is_forced=args.force, with_password=args.password)
    if args.json:
        print(json.dumps(asdict(enrolled)))
        return 0
    did = "enrolled" if enrolled.is_new else "nothing to do"
    if enrolled.is_fallen_back:
        did = "the broker refuses the certificate that was in force: back to the one before"
    print(
        f"{did}: certificate until {enrolled.ends}, signing key {enrolled.kid}, "
        f"trust bundle {enrolled.trust_version}, epoch {enrolled.trust_epoch}"
    )
    return 0
