"""A service's next key: made beside the one in use, taken into use when the cars know it, the old one kept aside."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.errors import BadInput
from tcu_sim.pki import files
from tcu_sim.pki.ceremony import ROLES
from tcu_sim.pki.layout import Layout
from tcu_sim.wire.keys import generate
from tcu_sim.wire.messages import KeyRecord, Trust
from tcu_sim.wire.trust import record_of

SIGNING, HPKE = "signing.pem", "hpke.pem"


def make_successor(layout: Layout, service: str) -> KeyRecord:
    """Make the next key of a service, or find the one that was made for a bundle that never came; return its record.

    Raises:
        BadInput: a file cannot be read.
    """
    directory = layout.service(service)
    path = _next(directory / SIGNING)
    if not path.exists():
        files.write_signing_key(path, generate())
    public = files.read_signing_key(path).public
    if service != "desk":
        return record_of(ROLES[service], public)
    hpke_path = _next(directory / HPKE)
    if not hpke_path.exists():
        files.write_hpke_key(hpke_path, X25519PrivateKey.generate())
    hpke = files.read_hpke_key(hpke_path).public_key().public_bytes_raw()
    return record_of(ROLES[service], public, hpke)


def take_into_use(layout: Layout, service: str, trust: Trust) -> tuple[bytes, bytes]:
    """Let a service sign with its next key from its next start on; return the kids of the old and the new one.

    The old private key is kept as `*.old.pem` (the theft desk still opens what was sealed to it); an older one goes.

    Raises:
        BadInput: there is no next key, or the bundle in force does not know it.
    """
    directory = layout.service(service)
    if not _next(directory / SIGNING).exists():
        raise BadInput(f"{service}: has no next key; rotate first")
    new = files.read_signing_key(_next(directory / SIGNING)).public
    if new.kid not in {record.kid for record in trust.keys}:
        raise BadInput(f"{service}: the bundle in force does not know key {new.kid.hex()} yet")
    old = files.read_signing_key(directory / SIGNING).public
    for name in (
        HPKE,
        SIGNING,
    ):  # the signing key last: what was cut off before it can be done again
        path = directory / name
        if _next(path).exists():
            path.replace(_old(path))
            _next(path).replace(path)
    return old.kid, new.kid


def read_hpke_keys(directory: Path) -> tuple[X25519PrivateKey, ...]:
    """Return the theft desk's keys: the one in use, and where there are such the next and the one before.

    Raises:
        BadInput: one cannot be read.
    """
    in_use = directory / HPKE
    others = (path for path in (_next(in_use), _old(in_use)) if path.exists())
    return tuple(files.read_hpke_key(path) for path in (in_use, *others))


def kid_in_use(layout: Layout, service: str) -> bytes:
    """Return the kid that a service signs with.

    Raises:
        BadInput: its key cannot be read.
    """
    return files.read_signing_key(layout.service(service) / SIGNING).public.kid


def _next(path: Path) -> Path:
    return path.with_suffix(".next.pem")


def _old(path: Path) -> Path:
    return path.with_suffix(".old.pem")
