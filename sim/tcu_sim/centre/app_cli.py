"""`tcu-sim app`: the owner's app by hand. The session is kept in a private file of the bench directory."""

from __future__ import annotations

import argparse
from pathlib import Path

from tcu_sim.centre.app_client import App
from tcu_sim.centre.client import Client
from tcu_sim.centre.person_cli import add_command, add_common, read_secret_line
from tcu_sim.errors import BadInput
from tcu_sim.pki.files import make_private_directory, read_secret, write_secret

DESCRIPTION = """\
The owner's app by hand, against a running `tcu-sim centre`. Passwords and PINs are read from standard input:

  create LOGIN       a new app account (password from standard input)
  sign-in LOGIN      with the password; stays signed in for the next commands
  link VEHICLE       with the PIN that came by post (DIR/post/<address>/)"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `app`."""
    parser = subparsers.add_parser(
        "app",
        help="the owner's app by hand: link, users, end of subscription",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.add_argument("--phone", default="phone-1", metavar="NAME", help="whose phone (phone-1)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_command(
        commands,
        "create",
        lambda c, a: c.app().create_account(a.login, read_secret_line("password: ")),
        summary="create an app account; prints its user id",
        arguments=["login"],
    )
    add_command(commands, "sign-in", _sign_in, summary="sign in", arguments=["login"])
    add_command(
        commands,
        "link",
        lambda c, a: _signed_in(c, a).link(a.vehicle, read_secret_line("PIN: ")),
        summary="link this app account with a vehicle (PIN)",
        arguments=["vehicle"],
    )
    add_command(
        commands,
        "add-user",
        lambda c, a: _signed_in(c, a).add_user(a.vehicle, a.user, read_secret_line("PIN: ")),
        summary="add another app account to the vehicle (PIN)",
        arguments=["vehicle", "user"],
    )
    add_command(
        commands,
        "remove-user",
        lambda c, a: _signed_in(c, a).remove_user(a.vehicle, a.user),
        summary="take a user away",
        arguments=["vehicle", "user"],
    )
    add_command(
        commands,
        "end-subscription",
        lambda c, a: _signed_in(c, a).end_subscription(a.vehicle, read_secret_line("PIN: ")),
        summary="end the subscription (PIN)",
        arguments=["vehicle"],
    )
    add_command(
        commands,
        "contact",
        lambda c, a: _signed_in(c, a).contact_assistance(a.vehicle),
        summary="contact Assistance, for a new PIN and anything else",
        arguments=["vehicle"],
    )


async def _sign_in(client: Client, args: argparse.Namespace) -> object:
    app = client.app()
    await app.sign_in(args.login, read_secret_line("password: "))
    path = _session_file(args)
    make_private_directory(path.parent)
    path.unlink(missing_ok=True)
    write_secret(path, app.session.encode())
    return "signed in"


def _signed_in(client: Client, args: argparse.Namespace) -> App:
    path = _session_file(args)
    if not path.exists():
        raise BadInput(f"{args.phone}: nobody is signed in; `tcu-sim app --dir ... sign-in LOGIN`")
    app = client.app()
    app.resume(read_secret(path).decode())
    return app


def _session_file(args: argparse.Namespace) -> Path:
    name = "".join(letter for letter in args.phone if letter.isalnum() or letter in "-_")
    return Path(args.dir) / "people" / "app" / f"{name}.session"
