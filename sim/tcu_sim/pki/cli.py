"""`tcu-sim pki`: make the keys of a bench, or show what is public in one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tcu_sim.pki.ceremony import Plan, initialise, read_trust
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_roots, read_vehicles


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `pki` and its commands."""
    parser = subparsers.add_parser("pki", help="keys of a bench: make them, show the public ones")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    init = commands.add_parser(
        "init", help="make roots, services, vehicles, tokens and the trust bundle"
    )
    init.add_argument("dir", type=Path, metavar="DIR", help="an empty or new directory")
    init.add_argument(
        "--vehicle", action="append", required=True, metavar="ID", help="may be repeated"
    )
    init.add_argument("--environment", default="bench", help="what signatures are bound to (bench)")
    init.add_argument("--roots", type=int, default=3, metavar="N", help="how many root keys (3)")
    init.add_argument(
        "--threshold", type=int, default=2, metavar="N", help="how many must sign (2)"
    )
    init.set_defaults(func=_init)
    show = commands.add_parser("show", help="print the public part of a bench")
    show.add_argument("dir", type=Path, metavar="DIR")
    show.add_argument("--json", action="store_true", help="one JSON object")
    show.set_defaults(func=_show)


def _init(args: argparse.Namespace) -> int:
    plan = Plan(
        vehicles=args.vehicle,
        environment=args.environment,
        roots=args.roots,
        threshold=args.threshold,
    )
    layout = initialise(args.dir, plan)
    for vehicle_id in plan.vehicles:
        _say(f"pki: vehicle {vehicle_id}: {layout.vehicle(vehicle_id)}")
    _say(f"pki: trust bundle 1 signed by {plan.threshold} of {plan.roots} roots: {layout.trust}")
    return 0


def _show(args: argparse.Namespace) -> int:
    facts = describe(Layout(args.dir))
    if args.json:
        _say(json.dumps(facts))
        return 0
    _say(
        f"environment {facts['environment']}, trust version {facts['version']}, epoch {facts['epoch']}"
    )
    for entry in facts["keys"]:
        _say(f"  {entry['who']:<24} alg {entry['alg']}  kid {entry['kid']}")
    return 0


def describe(layout: Layout) -> dict[str, Any]:
    """Return what is public in a bench: environment, versions, each key's holder and kid.

    Raises:
        BadInput: the directory holds no bench.
        WireError: its trust bundle does not verify.
    """
    register, roots = read_vehicles(layout.vehicles), read_roots(layout.roots)
    trust = read_trust(layout.root, register.environment).trust
    keys = [("root", key.alg, key.kid) for key in roots.keys]
    keys += [(record.role.name.lower(), record.alg, record.kid) for record in trust.keys]
    keys += [(f"vehicle {name}", key.alg, key.kid) for name, key in register.keys.items()]
    return {
        "environment": register.environment,
        "version": trust.version,
        "epoch": trust.epoch,
        "threshold": roots.threshold,
        "keys": [{"who": who, "alg": alg, "kid": kid.hex()} for who, alg, kid in keys],
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
