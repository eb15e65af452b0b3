"""`tcu-sim pki enrol | rotate | switch | retire | revoke | epoch`: what changes in the life of a bench's keys.

Each change of the bundle is signed at once where the roots are files of the bench; with `--draft FILE` it is only
written down, for the roots to sign elsewhere (`pki sign`, `pki combine`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tcu_sim.cli.output import say
from tcu_sim.errors import BadInput
from tcu_sim.pki import bundles
from tcu_sim.pki.ceremony import ROLES, publish_trust, read_trust
from tcu_sim.pki.describe import role_word, trust_in_words
from tcu_sim.pki.enrolment import enrol
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.offline import draft_of, public_key_of
from tcu_sim.pki.past_keys import refuse_return
from tcu_sim.pki.public import read_vehicles
from tcu_sim.pki.roots_change import replace_root
from tcu_sim.pki.successors import kid_in_use, make_successor, take_into_use
from tcu_sim.wire.messages import KeyRecord, Trust
from tcu_sim.wire.trust import record_of

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def add_enrolment(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `enrol`."""
    command = commands.add_parser(
        "enrol", help="enter a vehicle's public key into the register, in the place of another"
    )
    command.add_argument("dir", type=Path, metavar="DIR")
    command.add_argument("vehicle", metavar="ID")
    command.add_argument(
        "--public-key", required=True, metavar="HEX", help="as `tcu-agent key show` prints it"
    )
    command.set_defaults(func=_enrol)


def add_changes(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add what makes the next bundle, and `switch`."""
    rotate = _change(commands, "rotate", "next version with a second key for a role (overlap)")
    rotate.add_argument("role", choices=SERVICES)
    rotate.add_argument(
        "--public-key", metavar="HEX", help="the next key, made elsewhere (default: made here)"
    )
    rotate.add_argument("--hpke-key", metavar="HEX", help="with it, for the desk: X25519, 32 bytes")
    rotate.set_defaults(func=_rotate)
    switch = commands.add_parser(
        "switch", help="let a service sign with its next key from its next start on"
    )
    switch.add_argument("dir", type=Path, metavar="DIR")
    switch.add_argument("role", choices=SERVICES)
    switch.set_defaults(func=_switch)
    retire = _change(commands, "retire", "next version without a key that is in use no more")
    retire.add_argument("kid", metavar="KID")
    retire.set_defaults(func=_retire)
    revoke = _change(commands, "revoke", "next version in which a key counts no more: it is stolen")
    revoke.add_argument("kid", metavar="KID")
    revoke.add_argument(
        "--replace", action="store_true", help="with a new key for its role in the same bundle"
    )
    revoke.set_defaults(func=_revoke)
    root = commands.add_parser(
        "replace-root", help="another root in the place of one, if cars go on believing the bundle"
    )
    root.add_argument("dir", type=Path, metavar="DIR")
    root.add_argument("kid", metavar="KID", help="of the root that goes")
    root.add_argument("--public-key", required=True, metavar="HEX", help="of the one that comes")
    root.set_defaults(func=_replace_root)
    epoch = _change(commands, "epoch", "next epoch: versions of bundle and accounts start again")
    epoch.set_defaults(func=_epoch)


def _change(
    commands: Commands[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("dir", type=Path, metavar="DIR")
    parser.add_argument(
        "--draft", type=Path, metavar="FILE", help="write it down for roots that are elsewhere"
    )
    return parser


def _enrol(args: argparse.Namespace) -> int:
    key = public_key_of(args.public_key)
    another = ", and had another" if enrol(Layout(args.dir), args.vehicle, key) else ""
    say(f"pki: vehicle {args.vehicle} has the key {key.kid.hex()}{another}")
    say("pki: the services read the register when they start")
    return 0


def _rotate(args: argparse.Namespace) -> int:
    layout = Layout(args.dir)
    trust = _current(layout)
    record = _successor(layout, args)
    _issue(layout, bundles.with_key(trust, record, now_s=_now_s()), args.draft)
    say(f"pki: key {record.kid.hex()} of {args.role}: next; in use after `switch`")
    return 0


def _switch(args: argparse.Namespace) -> int:
    layout = Layout(args.dir)
    old, new = take_into_use(layout, args.role, _current(layout))
    say(f"pki: {args.role} signs with {new.hex()} when it starts again; {old.hex()} may be retired")
    return 0


def _retire(args: argparse.Namespace) -> int:
    layout = Layout(args.dir)
    trust, kid = _current(layout), _kid(args.kid)
    service = _service_of(bundles.find(trust, kid))
    if kid_in_use(layout, service) == kid:
        raise BadInput(f"{service} signs with this key; `switch` it first, or revoke a stolen key")
    _issue(layout, bundles.without_key(trust, kid, now_s=_now_s()), args.draft)
    return 0


def _revoke(args: argparse.Namespace) -> int:
    layout = Layout(args.dir)
    trust, kid = _current(layout), _kid(args.kid)
    service = _service_of(bundles.find(trust, kid))
    successor = make_successor(layout, service) if args.replace else None
    new = bundles.revoked(trust, kid, now_s=_now_s(), successor=successor)
    _issue(layout, new, args.draft)
    if successor is not None:
        say(f"pki: key {successor.kid.hex()} of {service}: `switch` takes it into use")
    elif not bundles.of_role(new, ROLES[service]):
        say(f"pki: {service} has no key left: nothing of it works until `rotate` and `switch`")
    return 0


def _replace_root(args: argparse.Namespace) -> int:
    new = public_key_of(args.public_key)
    roots = replace_root(Layout(args.dir), _kid(args.kid), new)
    for key in roots.keys:
        say(f"pki: root {key.kid.hex()}  public key {key.raw.hex()}")
    say("pki: roots.toml is handed out; cars and services read it when they start")
    return 0


def _epoch(args: argparse.Namespace) -> int:
    layout = Layout(args.dir)
    _issue(layout, bundles.next_epoch(_current(layout), now_s=_now_s()), args.draft)
    return 0


def _successor(layout: Layout, args: argparse.Namespace) -> KeyRecord:
    if args.public_key is None:
        return make_successor(layout, args.role)
    if (args.hpke_key is not None) != (args.role == "desk"):
        raise BadInput("--hpke-key belongs to a desk's --public-key, and only there")
    hpke = None if args.hpke_key is None else public_key_of(args.hpke_key).raw
    return record_of(ROLES[args.role], public_key_of(args.public_key), hpke)


def _issue(layout: Layout, trust: Trust, draft: Path | None) -> None:
    refuse_return(layout, trust, _current(layout))
    for line in trust_in_words(trust):
        say(f"pki: {line}")
    if draft is not None:
        draft.write_bytes(draft_of(trust))
        say(f"pki: not signed; the roots sign {draft} (`pki sign`), then `pki combine`")
        return
    publish_trust(layout, trust)
    say(f"pki: signed and handed out: {layout.trust}; the services read it when they start")


def _current(layout: Layout) -> Trust:
    return read_trust(layout.root, read_vehicles(layout.vehicles).environment).trust


def _service_of(record: KeyRecord) -> str:
    return role_word(record.role)


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 8:
        raise BadInput(f"{text!a} is no kid: 16 hex digits")
    return kid


def _now_s() -> int:
    return int(time.time())
