"""A bench with an EST server, and one vehicle that is to be enrolled at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tcu_agent.config import Config, load
from tcu_agent.enrolment.enrolling import Enrolled, enrol
from tcu_sim.est.cli import service_of
from tcu_sim.est.server import EstServer
from tcu_sim.est.service import EnrolmentService
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.layout import Layout

CAR = "car-1"
DAY_S = 86_400.0
MINIMAL = """
schema = 1
[vehicle]
id = "{car}"
environment = "bench"
[can.bus.body]
interface = "virtual"
channel = "x"
[mqtt]
host = "127.0.0.1"
port = 8883
[mqtt.tls]
ca = "{authority}/ca.pem"
certificate = "identity/current/vehicle.pem"
key = "identity/current/vehicle.key"
[keys]
signing = "signing.pem"
[keys.secoc]
central-locking = "{secoc}"
[trust]
roots = "{bench}/roots.toml"
bundle = "identity/current/trust.cbor"
[enrolment]
url = "https://127.0.0.1:1/.well-known/est"
ca = "{authority}/ca.pem"
directory = "identity"
password_file = "password"
renew_before_days = 30
[state]
directory = "state"
"""


@dataclass
class Bench:
    """`folder`: the vehicle's own; `service`: what the server decides."""

    folder: Path
    layout: Layout
    service: EnrolmentService
    faulty: Callable[[EnrolmentService], EnrolmentService] | None = None

    @property
    def config(self) -> Config:
        """The vehicle's configuration; its server has no address before it runs."""
        return load(self.folder / "tcu.toml")

    @property
    def current(self) -> Path:
        """What is in force."""
        return self.folder / "identity" / "current"

    def invite(self) -> None:
        """Put a new one-time password where the configuration says."""
        file = self.folder / "password"
        file.write_text(self.service.invitations.make(CAR) + "\n")
        file.chmod(0o600)

    def lasting(self, days: float) -> None:
        """Let the server's next certificates last so long."""
        self.service = replace(self.service, days=days)

    def enrol(
        self,
        *,
        now_s: float | None = None,
        is_forced: bool = False,
        with_password: bool = False,
        url: str | None = None,
        broker_port: int | None = None,
    ) -> Enrolled:
        """Enrol once while the server runs."""

        async def main() -> Enrolled:
            server = EstServer(self.faulty(self.service) if self.faulty else self.service)
            await server.start()
            try:
                config = self.config
                assert config.enrolment is not None
                there = replace(config.enrolment, url=url or server.url)
                mqtt = replace(config.mqtt, port=broker_port or config.mqtt.port)
                return await asyncio.to_thread(
                    enrol,
                    replace(config, enrolment=there, mqtt=mqtt),
                    now_s=now_s,
                    is_forced=is_forced,
                    with_password=with_password,
                )
            finally:
                await server.close()

        return asyncio.run(main())

    def seen(self) -> dict[str, bytes]:
        """Return all that is in force, by name."""
        return {path.name: path.read_bytes() for path in sorted(self.current.iterdir())}

    def generations(self) -> list[str]:
        """Return the generations on the disk."""
        return sorted(
            each.name
            for each in (self.folder / "identity").iterdir()
            if each.is_dir() and not each.is_symlink()
        )


def make_bench(folder: Path) -> Bench:
    """Return a bench with one vehicle that has nothing but its configuration."""
    layout = initialise(folder / "bench", Plan(vehicles=(CAR,)))
    service = service_of(layout.root)
    vehicle = folder / "vehicle"
    vehicle.mkdir()
    (vehicle / "tcu.toml").write_text(
        MINIMAL.format(
            car=CAR,
            bench=layout.root,
            authority=service.authority.directory,
            secoc=layout.vehicle(CAR) / "secoc.key",
        )
    )
    return Bench(vehicle, layout, service)
