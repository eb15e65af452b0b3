"""Where a benchmark's agent lives: the demo's configuration, with keys of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tcu_sim.demo.agent_config import AgentPlace, agent_toml
from tcu_sim.demo.broker import LOOPBACK, Broker
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.layout import Layout

CAR: Final = "car-1"
ENVIRONMENT: Final = "bench"


def make_keys(folder: Path) -> Layout:
    """Make the keys of one car and its centre, and the folder for the logs."""
    (folder / "logs").mkdir()
    return initialise(folder / "centre", Plan(vehicles=[CAR], environment=ENVIRONMENT))


def configuration(folder: Path, layout: Layout, broker: Broker, *, can_address: str) -> str:
    """Return the agent's tcu.toml; `can_address`: such as ``socketcan:vcan0``."""
    return agent_toml(
        AgentPlace(
            vehicle_id=CAR,
            environment=ENVIRONMENT,
            vehicle=layout.vehicle(CAR),
            state=folder / "state",
            can_address=can_address,
            broker_host=LOOPBACK,
            broker_port=broker.port,
            mqtt_version=broker.mqtt_version,
        )
    )
