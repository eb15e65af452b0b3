"""The fleet's mosquitto: limits and store as in `deploy/mosquitto/mosquitto.conf`, without TLS and rules."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tcu_sim.demo.broker import LOOPBACK, find_mosquitto
from tcu_sim.demo.processes import Command, Ensemble
from tcu_sim.errors import SimulatorError

BROKER = "broker"
AS_DEPLOYED = (
    "per_listener_settings false",
    "message_size_limit 66000",
    "max_queued_messages 1000000",
    "max_queued_bytes 100000000",
    "max_inflight_messages 20",
    "max_keepalive 3600",
    "retain_available false",
    "persistent_client_expiration 60d",
    "persistence true",
    "autosave_interval 60",
)
"""What the shipped file says; a test compares them, for figures of another broker would say nothing about it."""


async def start_broker(ensemble: Ensemble, folder: Path, port: int) -> None:
    """Start mosquitto with a store, so that sessions outlive it.

    Raises:
        SimulatorError: it is not installed, or does not start.
    """
    program = find_mosquitto()
    if program is None:
        raise SimulatorError("mosquitto is missing: install it (Debian: apt-get install mosquitto)")
    store = folder / "broker"
    store.mkdir(exist_ok=True)
    configuration = folder / "mosquitto.conf"
    lines = [
        f"listener {port} {LOOPBACK}",
        "allow_anonymous true",
        *AS_DEPLOYED,
        f"persistence_location {store}/",
        "log_dest stderr",
        *(f"log_type {each}" for each in ("error", "warning", "notice", "information")),
        "connection_messages false",
        f"user {pwd.getpwuid(os.geteuid()).pw_name}",
    ]
    configuration.write_text("\n".join(lines) + "\n")
    argv = [program, "-c", str(configuration)]
    await ensemble.start(Command(name=BROKER, argv=argv, ready="running"))
