"""`tcu-sim est invite | revoke | serve`: let vehicles enrol at a bench, or no more."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from tcu_sim.centre.ending import stop_event
from tcu_sim.cli.output import say
from tcu_sim.errors import BadInput
from tcu_sim.est.authority import CA_DAYS, Authority
from tcu_sim.est.invitations import Invitations
from tcu_sim.est.revocations import Revocations
from tcu_sim.est.server import EstServer
from tcu_sim.est.service import EnrolmentService
from tcu_sim.pki.ceremony import check_vehicle_id
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_vehicles

FOLDER = "authority"
MOST_PORT = 65_535


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `est` and its commands."""
    parser = subparsers.add_parser("est", help="where vehicles enrol: certificates and trust")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    invite = commands.add_parser("invite", help="print a one-time password for a vehicle")
    invite.add_argument("dir", type=Path, metavar="DIR", help="as `tcu-sim pki init` made it")
    invite.add_argument("vehicle", metavar="ID", help="as in vehicles.toml")
    invite.add_argument(
        "--new", action="store_true", help="a vehicle that the bench does not know yet"
    )
    invite.set_defaults(func=_invite)
    revoke = commands.add_parser(
        "revoke", help="let a vehicle's certificates be good no more, and its password neither"
    )
    revoke.add_argument("dir", type=Path, metavar="DIR", help="as `tcu-sim pki init` made it")
    revoke.add_argument("vehicle", metavar="ID", help="as in vehicles.toml")
    revoke.set_defaults(func=_revoke)
    serve = commands.add_parser("serve", help="run the EST server (RFC 7030) until SIGTERM")
    serve.add_argument("dir", type=Path, metavar="DIR", help="as `tcu-sim pki init` made it")
    serve.add_argument("--host", default="127.0.0.1", help="name or address (127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8085, help="0 = any that is free (8085)")
    serve.add_argument("--days", type=_days, default=90, help="how long a certificate lasts (90)")
    serve.set_defaults(func=_serve)


def service_of(directory: Path, *, days: float = 90) -> EnrolmentService:
    """Return the enrolment service of a bench; its authority is made at first.

    Raises:
        BadInput: the directory is no bench's.
    """
    layout = _bench(directory)
    authority = Authority.open(layout.root / FOLDER)
    invitations = Invitations(authority.directory / "invitations.json", time.time)
    return EnrolmentService(layout=layout, authority=authority, invitations=invitations, days=days)


def _invite(args: argparse.Namespace) -> int:
    check_vehicle_id(args.vehicle)
    _check_vehicle(args.dir, args.vehicle, is_new=args.new, hint=" (--new invites another one)")
    say(service_of(args.dir).invitations.make(args.vehicle))
    return 0


def _revoke(args: argparse.Namespace) -> int:
    _check_vehicle(args.dir, args.vehicle, is_new=False)
    service = service_of(args.dir)
    service.invitations.withdraw(args.vehicle)
    revocations = Revocations(service.authority)
    count = revocations.revoke(args.vehicle)
    say(f"{count} certificate(s) of {args.vehicle} revoked, listed in {revocations.list_file}")
    return 0


def _check_vehicle(directory: Path, vehicle_id: str, *, is_new: bool, hint: str = "") -> None:
    """Raises BadInput: no bench, no id for a vehicle, or not a vehicle of this bench although it should be one."""
    known = read_vehicles(_bench(directory).vehicles).keys
    if vehicle_id not in known and not is_new:
        check_vehicle_id(vehicle_id)
        raise BadInput(
            f"{directory}: knows no vehicle {vehicle_id}, but {', '.join(known) or 'none'}{hint}"
        )


def _bench(directory: Path) -> Layout:
    """Raises BadInput: this is no bench's directory."""
    layout = Layout(directory)
    if not layout.vehicles.exists():
        raise BadInput(f"{directory}: no bench (make one: tcu-sim pki init {directory} ...)")
    return layout


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, 0..{MOST_PORT}")
    return int(text)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= CA_DAYS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of days above 0, at most {CA_DAYS}"
        )
    return days


def _serve(args: argparse.Namespace) -> int:
    service = service_of(args.dir, days=args.days)
    asyncio.run(_run(EstServer(service, host=args.host, port=args.port)))
    return 0


async def _run(server: EstServer) -> None:
    stop = stop_event()
    await server.start()
    say(f"est: ready at {server.url}, authority {server.service.authority.directory / 'ca.pem'}")
    try:
        await stop.wait()
    finally:
        await server.close()
