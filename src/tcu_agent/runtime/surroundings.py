"""What every task of the runtime needs around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcu_agent.ports import Clock, Entropy
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.supervisor import Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Time, randomness, and whom to tell."""

    clock: Clock
    entropy: Entropy
    logbook: Logbook = field(default_factory=Logbook)
    supervisor: Supervisor = field(default_factory=lambda: Supervisor({}))

    async def wait_s(self, duration_s: float) -> None:
        """Wait `duration_s` of CLOCK_BOOTTIME, suspends included."""
        await self.clock.wait_until(self.clock.boottime() + duration_s)
