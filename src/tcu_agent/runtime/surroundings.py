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

    def proven_wall(self) -> float | None:
        """Return the wall clock, s since 1970-01-01, None unless something outside (NTP, GNSS) keeps it right.

        It is all that the core hears of that clock: what is stored of one that somebody set, or that stood still with
        the power off, would be taken for a proof after the next power cut.
        """
        if not self.clock.is_synchronised():
            return None
        wall = self.clock.wall()
        # Asked again: whoever sets the clock between the two questions must not be believed for the first one.
        return wall if self.clock.is_synchronised() else None

    async def wait_s(self, duration_s: float) -> None:
        """Wait `duration_s` of CLOCK_BOOTTIME, suspends included."""
        await self.clock.wait_until(self.clock.boottime() + duration_s)
