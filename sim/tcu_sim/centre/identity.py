"""What a service has in its own directory: its signing key, the trust bundle, the vehicles' keys, its callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.centre.errors import Denied
from tcu_sim.pki.ceremony import read_trust
from tcu_sim.pki.files import read_signing_key
from tcu_sim.pki.public import VehicleRegister, read_vehicles
from tcu_sim.pki.tokens import TokenCheck, read_token_check
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.messages import Message
from tcu_sim.wire.trust import TrustedKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One service's keys and what it knows of others' keys; all public but `key`."""

    directory: Path
    environment: str
    key: SigningKey = field(repr=False)
    trust: TrustedKeys
    vehicles: VehicleRegister
    tokens: TokenCheck = field(repr=False)

    def sign(self, message: Message) -> bytes:
        """Return the message signed by this service."""
        return sign(message, self.key, self.environment)

    def known_vehicle(self, vehicle_id: str) -> str:
        """Return the id if the key ceremony made this vehicle; for operators, never for the app.

        Raises:
            Denied: it did not.
        """
        if vehicle_id not in self.vehicles.keys:
            raise Denied("unknown-vehicle", f"{vehicle_id!a}; `tcu-sim pki show DIR` lists them")
        return vehicle_id


def read_identity(directory: Path) -> Identity:
    """Return the identity in a service's directory.

    Raises:
        BadInput: a file is missing, damaged or open to others.
        WireError: the trust bundle does not verify.
    """
    vehicles = read_vehicles(directory / "vehicles.toml")
    return Identity(
        directory=directory,
        environment=vehicles.environment,
        key=read_signing_key(directory / "signing.pem"),
        trust=read_trust(directory, vehicles.environment),
        vehicles=vehicles,
        tokens=read_token_check(directory),
    )
