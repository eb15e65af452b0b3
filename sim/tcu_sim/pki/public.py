"""The public files: root keys with their threshold, and the vehicles' keys. TOML, hand-readable."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tcu_sim.pki.errors import KeyFileError
from tcu_sim.wire.envelope import Verified, open_signed
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import PublicKey
from tcu_sim.wire.messages import Message
from tcu_sim.wire.trust import Roots

T = TypeVar("T", bound=Message)


@dataclass(frozen=True, slots=True)
class VehicleRegister:
    """The vehicles' public keys, by vehicle id."""

    environment: str
    keys: Mapping[str, PublicKey]

    def open(self, data: bytes, cls: type[T], vehicle_id: str) -> Verified[T]:
        """Return a message that this vehicle signed and that names it.

        Raises:
            WireError: malformed, ``unknown-key``, ``bad-signature``, or it names another vehicle.
        """
        key = self.keys.get(vehicle_id)
        if key is None:
            raise WireError("no such vehicle in the register", word="unknown-key")
        verified = open_signed(data, cls, key, self.environment)
        if getattr(verified.message, "vehicle_id", None) != vehicle_id:
            raise WireError("the message names another vehicle", word="wrong-vehicle")
        return verified


def roots_text(roots: Roots) -> str:
    """Return roots.toml."""
    parts = [f"schema = 1\nthreshold = {roots.threshold}\n"]
    parts += [f'\n[[root]]\nalg = {k.alg}\npublic_key = "{k.raw.hex()}"\n' for k in roots.keys]
    return "".join(parts)


def read_roots(path: Path) -> Roots:
    """Return the root keys.

    Raises:
        KeyFileError: not readable or not of the form that `roots_text` writes.
    """
    table = _table(path)
    try:
        keys = tuple(_key(entry) for entry in table["root"])
        threshold = int(table["threshold"])
    except (KeyError, TypeError, ValueError, WireError) as error:
        raise KeyFileError(
            f"{path}: not of the form threshold, [[root]] alg, public_key"
        ) from error
    return Roots(threshold, keys)


def vehicles_text(register: VehicleRegister) -> str:
    """Return vehicles.toml."""
    parts = [f'environment = "{register.environment}"\n']
    for vehicle_id, key in register.keys.items():
        entry = f'id = "{vehicle_id}"\nalg = {key.alg}\npublic_key = "{key.raw.hex()}"\n'
        parts.append(f"\n[[vehicle]]\n{entry}")
    return "".join(parts)


def read_vehicles(path: Path) -> VehicleRegister:
    """Return the register.

    Raises:
        KeyFileError: not readable or not of the form that `vehicles_text` writes.
    """
    table = _table(path)
    try:
        keys = {str(entry["id"]): _key(entry) for entry in table.get("vehicle", [])}
        return VehicleRegister(str(table["environment"]), keys)
    except (KeyError, TypeError, ValueError, WireError) as error:
        raise KeyFileError(
            f"{path}: not of the form environment, [[vehicle]] id, alg, public_key"
        ) from error


def _key(entry: Mapping[str, Any]) -> PublicKey:
    return PublicKey(entry["alg"], bytes.fromhex(entry["public_key"]))


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: {error}") from error
