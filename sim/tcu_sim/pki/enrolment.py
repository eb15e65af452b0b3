"""Entering a vehicle's public key into the register: what a plant does when a car, or a new board of one, comes by."""

from __future__ import annotations

import secrets
import shutil

from tcu_sim.pki import files
from tcu_sim.pki.ceremony import SECOC_KEY_BYTES, check_vehicle_id
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.public import VehicleRegister, read_vehicles, vehicles_text
from tcu_sim.wire.keys import PublicKey

PRIVATE_KEY = "signing.pem"


def enrol(layout: Layout, vehicle_id: str, key: PublicKey) -> bool:
    """Let this be the key of a vehicle, known or new; return whether it had another before.

    A private key that the bench made for it is erased: the register knows it no more. The services read the register
    when they start.

    Raises:
        BadInput: the register cannot be read, or the id is none.
    """
    check_vehicle_id(vehicle_id)
    register = read_vehicles(layout.vehicles)
    before = register.keys.get(vehicle_id)
    if before == key:
        return False
    keys = {**register.keys, vehicle_id: key}
    files.replace_public(
        layout.vehicles, vehicles_text(VehicleRegister(register.environment, keys))
    )
    for name in SERVICES:
        shutil.copy(layout.vehicles, layout.service(name))
    (layout.vehicle(vehicle_id) / PRIVATE_KEY).unlink(missing_ok=True)
    if before is None:
        _equip(layout, vehicle_id)
    return before is not None


def _equip(layout: Layout, vehicle_id: str) -> None:
    directory = files.make_private_directory(layout.vehicle(vehicle_id))
    files.write_secret(directory / "secoc.key", secrets.token_bytes(SECOC_KEY_BYTES))
    for path in (layout.roots, layout.trust):
        if path.exists():
            shutil.copy(path, directory)
