"""The demo's vehicle key: the file of the key ceremony, or one that a PKCS#11 token made and never gives away."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.demo.processes import Command, Ensemble
from tcu_sim.errors import SimulatorError
from tcu_sim.pki.enrolment import enrol
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.soft_token import make_soft_token
from tcu_sim.wire.keys import PublicKey

FILE, PKCS11 = "file", "pkcs11"
KINDS = (FILE, PKCS11)
KEY_LABEL = "vehicle"


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleKey:
    """What the agent has to know. `settings`: [keys] of its tcu.toml; `environment`: of its process."""

    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    kid: str = ""


def key_in_file(vehicle: Path) -> VehicleKey:
    """Return the key that the ceremony made."""
    return VehicleKey(settings={"signing": str(vehicle / "signing.pem")})


async def make_key_in_token(
    ensemble: Ensemble, folder: Path, *, agent: Sequence[str], layout: Layout, vehicle_id: str
) -> VehicleKey:
    """Let the agent's own command make a key in a new token, and enrol it in the place of the ceremony's.

    Raises:
        SimulatorError: SoftHSM is not here, or the key cannot be made.
    """
    token = make_soft_token(folder, label="tcu")
    uri = token.uri(KEY_LABEL)
    argv = [
        *(*agent, "key", "create", uri, "--json"),
        *("--module", str(token.module), "--pin-file", str(token.pin_file)),
    ]
    program = await ensemble.start(
        Command(name="key", argv=argv, ready=r"^\{.*\}$", environment=token.environment)
    )
    if program.ready is None:
        raise SimulatorError("tcu-agent key did not say which key it made")
    facts = json.loads(program.ready[0])
    enrol(layout, vehicle_id, PublicKey(facts["alg"], bytes.fromhex(facts["public_key"])))
    return VehicleKey(
        settings={
            "signing": uri,
            "pkcs11_module": str(token.module),
            "pkcs11_pin_file": str(token.pin_file),
        },
        environment=token.environment,
        kid=str(facts["kid"]),
    )
