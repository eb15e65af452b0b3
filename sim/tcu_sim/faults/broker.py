"""The brokers of a fault run: mosquitto with TLS and a store, killed and started again; or one of another maker."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.demo.broker import LOOPBACK, find_mosquitto, free_port
from tcu_sim.demo.processes import ProgramError
from tcu_sim.faults.papers import Paper
from tcu_sim.faults.program import Program

STARTS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBroker:
    """One broker on fixed ports. `plain`: for the centre; `tls`: for cars, None where the broker has only the one.

    `store`: what it keeps through a restart.
    """

    program: Program
    plain: int
    tls: int | None
    mqtt_version: str
    store: Path | None = None

    async def start(self) -> None:
        """Start it.

        Raises:
            ProgramError: it is not ready in time.
        """
        await self.program.start(ready_within_s=STARTS_WITHIN_S)

    async def kill(self, *, forget: bool = False) -> None:
        """End it as a power cut would; `forget`: its store is gone too."""
        await self.program.kill()
        if forget and self.store is not None:
            self.store.unlink(missing_ok=True)


def other(folder: Path, *, words: Sequence[str], mqtt_version: str) -> FaultBroker:
    """Return a broker of any make: a command to which a port is added, and that says ``ready`` on a line."""
    port = free_port()
    return FaultBroker(
        program=Program(
            name=words[0],
            argv=[*words, str(port)],
            log=folder / "logs" / "broker.log",
            ready="ready",
        ),
        plain=port,
        tls=None,
        mqtt_version=mqtt_version,
    )


def mosquitto(folder: Path, *, authority: Path, paper: Paper, acl: Path | None) -> FaultBroker:
    """Return mosquitto with a plain listener for the centre and one with TLS and the cars' rules.

    Raises:
        ProgramError: it is not installed.
    """
    program = find_mosquitto()
    if program is None:
        raise ProgramError("mosquitto is missing: apt-get install mosquitto")
    plain, tls = free_port(), free_port()
    rules = f"acl_file {acl}\n" if acl else ""
    store = folder / "mosquitto"
    store.mkdir()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"user {pwd.getpwuid(os.geteuid()).pw_name}\nper_listener_settings true\n"
        f"persistence true\npersistence_location {store}/\n"
        "autosave_interval 1\nautosave_on_changes true\nlog_dest stderr\n"
        f"listener {plain} {LOOPBACK}\nallow_anonymous true\n"
        f"listener {tls} {LOOPBACK}\nallow_anonymous false\n{rules}"
        f"cafile {authority}\ncertfile {paper.certificate}\nkeyfile {paper.key}\n"
        "tls_version tlsv1.3\nrequire_certificate true\n"
        "use_identity_as_username true\nuse_username_as_clientid true\n"
    )
    return FaultBroker(
        program=Program(
            name="mosquitto",
            argv=[program, "-c", str(configuration)],
            log=folder / "logs" / "broker.log",
            ready=" running",
        ),
        plain=plain,
        tls=tls,
        mqtt_version="5",
        store=store / "mosquitto.db",
    )
