"""The in-memory stand-ins for the agent's ports; tests/contract holds them to the real ones."""

from __future__ import annotations

from tcu_sim.bench.broker import InMemoryBroker, InMemoryLink, Publication
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tcu_sim.bench.clock import SeededEntropy, SimulatedClock
from tcu_sim.bench.power import SimulatedPower, SimulatedRtc
from tcu_sim.bench.state import InMemoryState

__all__ = [
    "InMemoryBroker",
    "InMemoryBus",
    "InMemoryCanPort",
    "InMemoryLink",
    "InMemoryState",
    "Publication",
    "SeededEntropy",
    "SimulatedClock",
    "SimulatedPower",
    "SimulatedRtc",
]
