"""Stamps on the way from a grant to its frame, by what the agent offers anyway: its core, its store, its CAN port.

Nothing of the agent is patched: the core is wrapped where a core is asked for, the store and the port where they are
handed over. What the bench does for its oracle in between is stamped too, and taken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from tcu_agent.core.agent import Core
from tcu_agent.core.effects import Effect
from tcu_agent.core.events import CoreEvent
from tcu_agent.runtime.agent import Agent, Car, World
from tcu_agent.runtime.pump import Decider
from tcu_sim.bench.world import Make


class Stamp(Enum):
    """A place on the way."""

    ARRIVED = "the grant lies with the agent's link"
    ASKED = "the core is asked"
    DECIDED = "the core has decided"
    COMMITTING = "the store is told to commit"
    COMMITTED = "it has committed"
    RECORDED = "the bench has noted that for its oracle"
    SENT = "the CAN port has the unlock frame"


WAY: Final = (
    (Stamp.ARRIVED, ""),
    (Stamp.ASKED, "from the link into the core"),
    (Stamp.DECIDED, "the core's first step, with both verifications"),
    (Stamp.COMMITTING, "from the core to the store"),
    (Stamp.COMMITTED, "the store's commit"),
    (Stamp.RECORDED, ""),  # the bench's own
    (Stamp.ASKED, "back into the core"),
    (Stamp.DECIDED, "the core's second step"),
    (Stamp.SENT, "from the core to the CAN port, with the frame's authenticator"),
)
"""The stamps of a grant behind which nothing else came in between, and the name of the stretch before each."""
STRETCHES: Final = tuple(name for _, name in WAY if name)


@dataclass(slots=True)
class Stamps:
    """What was passed, and when (s), since the last grant arrived."""

    clock: Callable[[], float] = time.perf_counter
    passed: list[tuple[Stamp, float]] = field(default_factory=list)

    def take(self, stamp: Stamp) -> None:
        """Note that this place is passed now."""
        self.passed.append((stamp, self.clock()))

    def begin(self) -> None:
        """Note that a grant has arrived; what was before it is forgotten."""
        self.passed.clear()
        self.take(Stamp.ARRIVED)

    def way_s(self) -> float:
        """Return how long the whole way took, without what the bench did for itself."""
        places = [place for place, _ in self.passed]
        sent_at = self.passed[places.index(Stamp.SENT)][1]
        own_s = sum(
            to - since
            for (_, since), (place, to) in pairwise(self.passed)
            if place is Stamp.RECORDED and to <= sent_at
        )
        return sent_at - self.passed[0][1] - own_s

    def stretches_s(self) -> Mapping[str, float] | None:
        """Return how long each stretch took; None if something else came in between."""
        passed = self.passed[: len(WAY)]
        if [place for place, _ in passed] != [place for place, _ in WAY]:
            return None
        lengths = (to - since for (_, since), (_, to) in pairwise(passed))
        return {
            name: length_s for (_, name), length_s in zip(WAY[1:], lengths, strict=True) if name
        }


class StampedCore:
    """A core that notes when it is asked and when it has decided."""

    def __init__(self, core: Decider, stamps: Stamps) -> None:
        self._core = core
        self._stamps = stamps

    def start(self, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what the core says."""
        return self._core.start(now=now, wall=wall)

    def handle(self, event: CoreEvent, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what the core says."""
        self._stamps.take(Stamp.ASKED)
        effects = self._core.handle(event, now=now, wall=wall)
        self._stamps.take(Stamp.DECIDED)
        return effects

    def next_deadline(self) -> float | None:
        """Return what the core says."""
        return self._core.next_deadline()


def stamped(stamps: Stamps) -> Make:
    """Return how to make an agent whose core is stamped."""

    def make(car: Car, world: World) -> Agent:
        def core(**given: Any) -> StampedCore:
            return StampedCore(Core(**given), stamps)

        return Agent(car=car, world=world, core=core)

    return make
