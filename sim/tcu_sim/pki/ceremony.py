"""The key ceremony of a bench: make every key, sign the trust bundle, hand out the files."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.errors import BadInput
from tcu_sim.pki import files
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.past_keys import remember
from tcu_sim.pki.public import VehicleRegister, read_roots, read_vehicles, roots_text, vehicles_text
from tcu_sim.pki.tokens import issue_tokens
from tcu_sim.wire import keys
from tcu_sim.wire.envelope import payload_of
from tcu_sim.wire.messages import KeyRecord, Trust
from tcu_sim.wire.numbers import Role
from tcu_sim.wire.trust import Roots, TrustedKeys, make_container, open_container, record_of

ROLES = {
    "command": Role.COMMAND,
    "pin": Role.PIN_AUTHORITY,
    "account": Role.ACCOUNT,
    "desk": Role.THEFT_DESK,
}
SECOC_KEY_BYTES = 16
PEPPER_BYTES = 32
STORE_KEY_BYTES = 32
CENTRE_NAMES = "centre-"
_VEHICLE_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to make. `environment`: 1..32 characters.

    `root_keys`: public keys of roots that are elsewhere (an OEM's HSMs) in the place of `roots` made here; then the
    bundle is left as a draft for them to sign.
    """

    vehicles: Sequence[str]
    environment: str = "bench"
    roots: int = 3
    threshold: int = 2
    root_keys: Sequence[keys.PublicKey] = ()

    def check(self) -> None:
        """Return if the plan can be carried out.

        Raises:
            BadInput: says what is wrong.
        """
        for vehicle_id in self.vehicles:
            check_vehicle_id(vehicle_id)
        if not self.vehicles or len(set(self.vehicles)) != len(self.vehicles):
            raise BadInput("name at least one vehicle, and each once")
        if not 1 <= len(self.environment) <= 32 or not self.environment.isprintable():
            raise BadInput("environment: 1 to 32 printable characters")
        roots = len({key.kid for key in self.root_keys}) if self.root_keys else self.roots
        if not 2 <= self.threshold <= roots <= 8:
            raise BadInput("roots and threshold: 2 <= threshold <= roots <= 8")


def check_vehicle_id(vehicle_id: str) -> None:
    """Return if a vehicle may be named so: docs/protocol.cddl, vehicle-id, and no name of the centre's.

    A broker knows its clients by the common names of their certificates, and `deploy/mosquitto/tcu.acl` lets
    `centre-command` command every car.

    Raises:
        BadInput: it may not.
    """
    if _VEHICLE_ID.fullmatch(vehicle_id) is None:
        raise BadInput(f"vehicle id {vehicle_id!a}: 1 to 32 of A-Z a-z 0-9 _ - only")
    if vehicle_id.lower().startswith(CENTRE_NAMES):
        raise BadInput(
            f"vehicle id {vehicle_id}: names that begin with {CENTRE_NAMES} are the centre's own, "
            "with rights over every car at the broker; name the vehicle otherwise"
        )


def initialise(root: Path, plan: Plan) -> Layout:
    """Make every key and file of a bench under `root`.

    Raises:
        BadInput: the plan is wrong, or `root` holds a bench already.
    """
    plan.check()
    layout = Layout(root)
    if layout.roots.exists():
        raise BadInput(f"{root}: holds a bench already; choose an empty directory")
    files.make_private_directory(root)
    roots = (
        Roots(plan.threshold, tuple(plan.root_keys))
        if plan.root_keys
        else _make_roots(layout, plan)
    )
    layout.roots.write_text(roots_text(roots), encoding="utf-8")
    vehicles = {vehicle_id: _make_vehicle(layout, vehicle_id) for vehicle_id in plan.vehicles}
    register = VehicleRegister(plan.environment, vehicles)
    layout.vehicles.write_text(vehicles_text(register), encoding="utf-8")
    records = tuple(_make_service(layout, name) for name in SERVICES)
    issue_tokens(layout)
    trust = Trust(version=1, epoch=1, keys=records, revoked=(), issued_s=int(time.time()))
    if plan.root_keys:
        layout.draft.write_bytes(payload_of(trust))
        for directory in layout.parties(plan.vehicles):
            shutil.copy(layout.roots, directory)
    else:
        publish_trust(layout, trust)
    return layout


def publish_trust(layout: Layout, trust: Trust) -> bytes:
    """Sign `trust` with as many roots as the threshold asks for and hand it to all.

    Returns:
        The container.

    Raises:
        BadInput: a root key is missing.
    """
    roots, register = read_roots(layout.roots), read_vehicles(layout.vehicles)
    signers = [files.read_signing_key(layout.root_key(n + 1)) for n in range(roots.threshold)]
    container = make_container(trust, signers, register.environment)
    hand_out(layout, container)
    return container


def hand_out(layout: Layout, container: bytes) -> None:
    """Give a signed bundle, with the roots and the vehicles' keys, to everybody.

    Raises:
        BadInput: the register, or the list of past keys, cannot be read.
        WireError: the bundle, or the one before, does not verify.
    """
    register = read_vehicles(layout.vehicles)
    before = [read_trust(layout.root, register.environment).trust] if layout.trust.exists() else []
    layout.trust.write_bytes(container)
    remember(layout, [*before, read_trust(layout.root, register.environment).trust])
    for directory in layout.parties(register.keys):
        shutil.copy(layout.roots, directory)
        shutil.copy(layout.trust, directory)
    for name in SERVICES:
        shutil.copy(layout.vehicles, layout.service(name))


def read_trust(directory: Path, environment: str) -> TrustedKeys:
    """Return the trust bundle in a party's directory (roots.toml, trust.cbor), verified.

    Raises:
        BadInput: the files cannot be read.
        WireError: the bundle does not verify.
    """
    try:
        data = (directory / "trust.cbor").read_bytes()
    except OSError as error:
        raise BadInput(f"{directory}/trust.cbor: cannot be read ({error.strerror})") from error
    return open_container(data, read_roots(directory / "roots.toml"), environment)


def _make_roots(layout: Layout, plan: Plan) -> Roots:
    files.make_private_directory(layout.root_key(1).parent)
    made = [keys.generate() for _ in range(plan.roots)]
    for number, key in enumerate(made, start=1):
        files.write_signing_key(layout.root_key(number), key)
    return Roots(plan.threshold, tuple(key.public for key in made))


def _make_vehicle(layout: Layout, vehicle_id: str) -> keys.PublicKey:
    directory = files.make_private_directory(layout.vehicle(vehicle_id))
    key = keys.generate()
    files.write_signing_key(directory / "signing.pem", key)
    files.write_secret(directory / "secoc.key", secrets.token_bytes(SECOC_KEY_BYTES))
    return key.public


def _make_service(layout: Layout, name: str) -> KeyRecord:
    directory = files.make_private_directory(layout.service(name))
    key = keys.generate()
    files.write_signing_key(directory / "signing.pem", key)
    if name == "pin":
        files.write_secret(directory / "pepper.key", secrets.token_bytes(PEPPER_BYTES))
    if name != "desk":
        return record_of(ROLES[name], key.public)
    hpke = X25519PrivateKey.generate()
    files.write_hpke_key(directory / "hpke.pem", hpke)
    files.write_secret(directory / "store.key", secrets.token_bytes(STORE_KEY_BYTES))
    return record_of(ROLES[name], key.public, hpke.public_key().public_bytes_raw())
