"""`tcu-sim pki sign | to-sign | attach | combine`: the roots sign a draft apart from each other, then it is joined."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from tcu_sim.cli.output import say
from tcu_sim.errors import BadInput
from tcu_sim.pki import offline
from tcu_sim.pki.ceremony import hand_out, read_trust
from tcu_sim.pki.describe import trust_in_words
from tcu_sim.pki.files import read_signing_key
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.past_keys import refuse_return
from tcu_sim.pki.public import read_roots, read_vehicles
from tcu_sim.wire.keys import ES256
from tcu_sim.wire.messages import Trust

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def add_signing(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the four."""
    sign = _for_draft(commands, "sign", "sign a draft with a root key in a file")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="PEM, mode 0600")
    sign.add_argument("--out", type=Path, required=True, metavar="FILE", help="this root's part")
    sign.set_defaults(func=_sign)
    to_sign = _for_draft(commands, "to-sign", "write the bytes that a root in an HSM has to sign")
    to_sign.add_argument("--root", required=True, metavar="HEX", help="the root's public key")
    to_sign.add_argument("--out", type=Path, required=True, metavar="FILE", help="sign all of it")
    to_sign.add_argument(
        "--digest",
        action="store_true",
        help="write their SHA-256 instead, for an HSM that signs a hash it is given (P-256 only)",
    )
    to_sign.set_defaults(func=_to_sign)
    attach = _for_draft(commands, "attach", "make a root's part of the signature that an HSM gave")
    attach.add_argument("--root", required=True, metavar="HEX", help="the root's public key")
    attach.add_argument(
        "--signature", type=Path, required=True, metavar="FILE", help="64 bytes, or DER (ECDSA)"
    )
    attach.add_argument("--out", type=Path, required=True, metavar="FILE", help="this root's part")
    attach.set_defaults(func=_attach)
    combine = commands.add_parser(
        "combine", help="join the roots' parts, check the bundle and hand it out"
    )
    combine.add_argument("dir", type=Path, metavar="DIR")
    combine.add_argument("parts", type=Path, nargs="+", metavar="PART")
    combine.set_defaults(func=_combine)


def _for_draft(
    commands: Commands[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text}; shows what the draft says")
    parser.add_argument("draft", type=Path, metavar="DRAFT")
    parser.add_argument(
        "--environment", default="bench", help="what signatures are bound to (bench)"
    )
    return parser


def _sign(args: argparse.Namespace) -> int:
    draft, root = _read(args.draft), read_signing_key(args.key)
    _show(draft)
    _write(args.out, offline.sign(draft, root, args.environment))
    say(f"pki: signed by root {root.public.kid.hex()} for {args.environment!r}: {args.out}")
    return 0


def _to_sign(args: argparse.Namespace) -> int:
    draft, root = _read(args.draft), offline.public_key_of(args.root)
    _show(draft)
    to_sign = offline.to_sign(draft, root, args.environment)
    if args.digest:
        if root.alg != ES256:
            raise BadInput("--digest is for P-256; Ed25519 signs the bytes themselves")
        to_sign = hashlib.sha256(to_sign).digest()
    _write(args.out, to_sign)
    say(f"pki: root {root.kid.hex()} signs {args.out} for {args.environment!r}, then `pki attach`")
    return 0


def _attach(args: argparse.Namespace) -> int:
    draft, root = _read(args.draft), offline.public_key_of(args.root)
    part = offline.attach(draft, root, args.environment, signature=_read(args.signature))
    _write(args.out, part)
    say(f"pki: signed by root {root.kid.hex()} for {args.environment!r}: {args.out}")
    return 0


def _combine(args: argparse.Namespace) -> int:
    layout = Layout(args.dir)
    environment = read_vehicles(layout.vehicles).environment
    current = read_trust(layout.root, environment).trust if layout.trust.exists() else None
    container, trusted = offline.combine(
        [_read(path) for path in args.parts],
        read_roots(layout.roots),
        environment,
        current=current,
    )
    if current is not None:
        refuse_return(layout, trusted.trust, current)
    _say_all(trusted.trust)
    hand_out(layout, container)
    say(f"pki: handed out: {layout.trust}; the services read it when they start")
    return 0


def _show(draft: bytes) -> None:
    _say_all(offline.read_draft(draft))


def _say_all(trust: Trust) -> None:
    for line in trust_in_words(trust):
        say(f"pki: {line}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from error
