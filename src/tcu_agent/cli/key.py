"""`tcu-agent key`: make the vehicle's signing key where it will be used, and show the half that the centre enrols."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcu_agent.adapters.keys.signing_key import PrivateSigner
    from tcu_agent.config import SigningKey

_WHERE = """\
Which key: the one that [keys] in a tcu.toml names (-c), or KEY itself, a file or a URI such as
'pkcs11:token=tcu;object=vehicle' (then with --module and --pin-file)."""
_PROBE = b"tcu-agent key show"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `key` sub-command."""
    parser = subparsers.add_parser(
        "key",
        help="make the vehicle's signing key, or show its public half",
        description="The vehicle's signing key, in a file or in a PKCS#11 token. No command shows the private half.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text, func in (
        ("create", "make a P-256 key (never in the place of one) and show its public half", create),
        ("show", "show kid and public key as the protocol encodes them", show),
    ):
        command = commands.add_parser(name, help=text, description=f"{text}. {_WHERE}")
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("key", nargs="?", metavar="KEY", help="a file or a pkcs11: URI")
        which.add_argument("-c", "--config", type=Path, metavar="FILE", help="tcu.toml")
        command.add_argument("--module", type=Path, metavar="FILE", help="the PKCS#11 library")
        command.add_argument("--pin-file", type=Path, metavar="FILE", help="with the user PIN")
        command.add_argument("--json", action="store_true", help="one JSON object")
        command.set_defaults(func=func)


def create(args: argparse.Namespace) -> int:
    """Make the key; return the exit status.

    Raises:
        BadInput: it is not said where.
        KeyStoreError: there is one already, or it cannot be made.
    """
    from tcu_agent.adapters.keys.signing_key import create_key

    create_key(_where(args))
    return show(args)


def show(args: argparse.Namespace) -> int:
    """Show what is public; return the exit status.

    Raises:
        BadInput: it is not said where.
        KeyStoreError: it is missing or cannot be used.
    """
    from tcu_agent.adapters.keys.signing_key import load_signer

    where = _where(args)
    facts = _facts(where, load_signer(where))
    if args.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):<12} {value}")
    return 0


def _where(args: argparse.Namespace) -> SigningKey:
    from tcu_agent.config.signing_key import key_by_name, read_signing_key_alone

    if args.config is not None:
        return read_signing_key_alone(args.config)
    return key_by_name(args.key, module=args.module, pin_file=args.pin_file)


def _facts(where: SigningKey, signer: PrivateSigner) -> dict[str, object]:
    signer.sign(_PROBE)  # the first one may load something
    started = time.perf_counter()
    signer.sign(_PROBE)
    took_s = time.perf_counter() - started
    return {
        "kid": signer.kid.hex(),
        "alg": signer.alg,
        "public_key": signer.public_key.hex(),
        "held_in": f"file {where}" if isinstance(where, Path) else where.uri,
        "signs_in_ms": round(1000 * took_s, 2),
    }
