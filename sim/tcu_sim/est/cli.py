"""`tcu-sim est invite | serve`: let vehicles enrol at a bench."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from tcu_sim.centre.ending import stop_event
from tcu_sim.cli.output import say
from tcu_sim.est.authority import Authority
from tcu_sim.est.invitations import Invitations
from tcu_sim.est.server import EstServer
from tcu_sim.est.service import EnrolmentService
from tcu_sim.pki.ceremony import check_vehicle_id
from tcu_sim.pki.layout import Layout

FOLDER = "authority"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `est` and its commands."""
    parser = subparsers.add_parser("est", help="where vehicles enrol: certificates and trust")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    invite = commands.add_parser("invite", help="print a one-time password for a vehicle")
    invite.add_argument("dir", type=Path, metavar="DIR", help="as `tcu-sim pki init` made it")
    invite.add_argument("vehicle", metavar="ID")
    invite.set_defaults(func=_invite)
    serve = commands.add_parser("serve", help="run the EST server (RFC 7030) until SIGTERM")
    serve.add_argument("dir", type=Path, metavar="DIR", help="as `tcu-sim pki init` made it")
    serve.add_argument("--host", default="127.0.0.1", help="name or address (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8085, help="0 = any that is free (8085)")
    serve.add_argument("--days", type=float, default=90, help="how long a certificate lasts (90)")
    serve.set_defaults(func=_serve)


def service_of(directory: Path, *, days: float = 90) -> EnrolmentService:
    """Return the enrolment service of a bench; its authority is made at first."""
    layout = Layout(directory)
    authority = Authority.open(layout.root / FOLDER)
    invitations = Invitations(authority.directory / "invitations.json", time.time)
    return EnrolmentService(layout=layout, authority=authority, invitations=invitations, days=days)


def _invite(args: argparse.Namespace) -> int:
    check_vehicle_id(args.vehicle)
    say(service_of(args.dir).invitations.make(args.vehicle))
    return 0


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
