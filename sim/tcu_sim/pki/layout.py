"""Where everything lies under the directory of a bench.

```
roots/root-N.pem                       the root keys; in real life offline
roots.toml trust.cbor vehicles.toml    public: threshold and root keys, trust bundle, vehicles' keys
trust.draft                            a bundle that the roots have still to sign
vehicles/<id>/                         what one vehicle gets: signing.pem secoc.key roots.toml trust.cbor
services/<name>/                       what one service gets: signing.pem (+ its own keys), the public files,
                                       *.next.pem and *.old.pem while a key is being rotated,
                                       callers.json (hashes of the tokens it accepts),
                                       tokens/<service>.token
people/<caller>/<service>.token        the tokens of consoles, app, keypad and police
post/<address>/                        letterboxes, filled by the PIN authority alone
run/<name>.url                         where a running service listens
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("pin", "command", "account", "desk")


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under `root`."""

    root: Path

    @property
    def roots(self) -> Path:
        """The public root keys and their threshold."""
        return self.root / "roots.toml"

    @property
    def trust(self) -> Path:
        """The trust container."""
        return self.root / "trust.cbor"

    @property
    def past_keys(self) -> Path:
        """The ids of all keys that a bundle ever had, one a line."""
        return self.root / "past-keys.txt"

    @property
    def draft(self) -> Path:
        """The first bundle, unsigned, where the roots are elsewhere."""
        return self.root / "trust.draft"

    @property
    def vehicles(self) -> Path:
        """The public register of vehicles."""
        return self.root / "vehicles.toml"

    @property
    def post(self) -> Path:
        """The owners' letterboxes."""
        return self.root / "post"

    @property
    def run(self) -> Path:
        """Where running services say how to reach them."""
        return self.root / "run"

    def root_key(self, number: int) -> Path:
        """The private key of a root, from 1."""
        return self.root / "roots" / f"root-{number}.pem"

    def vehicle(self, vehicle_id: str) -> Path:
        """The directory of a vehicle."""
        return self.root / "vehicles" / vehicle_id

    def service(self, name: str) -> Path:
        """The directory of a service."""
        return self.root / "services" / name

    def parties(self, vehicle_ids: Iterable[str]) -> list[Path]:
        """The directories of all services, and of these vehicles."""
        services = [self.service(name) for name in SERVICES]
        return services + [self.vehicle(vehicle_id) for vehicle_id in vehicle_ids]

    def token(self, caller: str, service: str) -> Path:
        """The file with the token by which `caller` is known to `service`."""
        home = (
            self.service(caller) / "tokens" if caller in SERVICES else self.root / "people" / caller
        )
        return home / f"{service}.token"
