"""`tcu-sim pki`: make the keys of a bench, show what is public in one, and join the commands that change it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tcu_sim.cli.output import say
from tcu_sim.errors import BadInput
from tcu_sim.pki.bench_at import bench_at
from tcu_sim.pki.ceremony import Plan, initialise, read_trust
from tcu_sim.pki.change_cli import add_changes, add_enrolment
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.offline import public_key_of
from tcu_sim.pki.public import read_roots, read_vehicles
from tcu_sim.pki.signing_cli import add_signing

VEHICLE_TOML = """
[vehicle]
id = "{vehicle_id}"
environment = "{environment}"

[keys]
signing = "{folder}/signing.pem"

[keys.secoc]
central-locking = "{folder}/secoc.key"

[trust]
roots = "{folder}/roots.toml"
bundle = "{folder}/trust.cbor"
"""


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
    init.add_argument(
        "--root-key",
        action="append",
        default=[],
        metavar="HEX",
        help="public key of a root that is elsewhere; then no root is made here, and trust.draft waits for signatures",
    )
    init.set_defaults(func=_init)
    show = commands.add_parser("show", help="print the public part of a bench")
    show.add_argument("dir", type=Path, metavar="DIR")
    show.add_argument("--json", action="store_true", help="one JSON object")
    show.set_defaults(func=_show)
    add_enrolment(commands)
    add_changes(commands)
    add_signing(commands)


def _init(args: argparse.Namespace) -> int:
    plan = Plan(
        vehicles=args.vehicle,
        environment=args.environment,
        roots=args.roots,
        threshold=args.threshold,
        root_keys=[public_key_of(text) for text in args.root_key],
    )
    try:
        layout = initialise(args.dir, plan)
    except OSError as error:
        where = error.filename or args.dir
        raise BadInput(f"{where}: cannot be made: {error.strerror}") from error
    for vehicle_id in plan.vehicles:
        _say_vehicle(layout, vehicle_id, plan.environment)
    if plan.root_keys:
        say(f"pki: trust bundle 1 waits for {plan.threshold} of its roots: {layout.draft}")
    else:
        say(f"pki: trust bundle 1 signed by {plan.threshold} of {plan.roots} roots: {layout.trust}")
    return 0


def _say_vehicle(layout: Layout, vehicle_id: str, environment: str) -> None:
    folder = layout.vehicle(vehicle_id).absolute()
    say(f"pki: vehicle {vehicle_id}: {layout.vehicle(vehicle_id)}")
    say(f"pki: `tcu-sim vehicle` wants: --secoc-key {folder}/secoc.key")
    say("pki: its tcu.toml wants these lines (the rest of it: docs/own-run.md):")
    say(VEHICLE_TOML.format(vehicle_id=vehicle_id, environment=environment, folder=folder))


def _show(args: argparse.Namespace) -> int:
    facts = describe(bench_at(args.dir))
    if args.json:
        say(json.dumps(facts))
        return 0
    say(
        f"environment {facts['environment']}, trust version {facts['version']}, epoch {facts['epoch']}"
    )
    for entry in facts["keys"]:
        say(f"  {entry['who']:<24} alg {entry['alg']}  kid {entry['kid']}")
    for kid in facts["revoked"]:
        say(f"  {'revoked':<24}         kid {kid}")
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
        "issued_s": trust.issued_s,
        "threshold": roots.threshold,
        "keys": [{"who": who, "alg": alg, "kid": kid.hex()} for who, alg, kid in keys],
        "revoked": [kid.hex() for kid in trust.revoked],
    }
