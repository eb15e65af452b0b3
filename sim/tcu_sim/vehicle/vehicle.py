"""The whole vehicle: its world, its ECUs and the bus between them, as one node on the outer bus. No I/O.

Time is an argument, randomness comes from one seed. `receive`, `handle_timer` and `next_deadline` are an ECU's; without
a runner, `advance` plays it up to a time and returns what it sent when. What truly happened stands in `doors`, `locks`,
`lock_history` and `command_history`: the oracle of demo and scenarios.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.babbler import Babbler
from tcu_sim.vehicle.bcm import BodyControl
from tcu_sim.vehicle.body import TRAVEL_S, Body, LockMovement
from tcu_sim.vehicle.central_locking import CommandRecord
from tcu_sim.vehicle.database import Database
from tcu_sim.vehicle.ecu import Node, Wiring
from tcu_sim.vehicle.motion import Motion
from tcu_sim.vehicle.on_call import OverheadConsole
from tcu_sim.vehicle.reference import BENCH_SECOC_KEY, Door, LockPosition
from tcu_sim.vehicle.satellites import SatelliteReceiver
from tcu_sim.vehicle.secoc import CommandReceiver
from tcu_sim.vehicle.stability import StabilityControl

CLOCK_RESOLUTION_S: Final = 1e-6
"""A timer so little early is on time: an event loop wakes its sleepers within its clock's resolution, and on simulated
time might do so for ever, since nothing else lets that time pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleSettings:
    """How a vehicle is built.

    `secoc_key`: 16 bytes, the key ``central-locking``. `last_freshness`: full value the BCM accepted last, 0..2^32-1.
    `sleep_after_s`: how long after the last event the bus is kept awake. `least_cycle_s`: no
    message comes more often by its cycle (what changes is told at once all the same), for a bus that costs a simulation
    less; keep below the shortest timeout of the mapping. `lock_travel_s`: least and most time that a lock motor takes.
    `database`: None = the agent's DBC.
    """

    seed: int = 0
    secoc_key: bytes = field(default=BENCH_SECOC_KEY, repr=False)
    last_freshness: int = 0
    sleep_after_s: float = 10.0
    least_cycle_s: float = 0.0
    lock_travel_s: tuple[float, float] = TRAVEL_S
    database: Path | None = None


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame and when it was sent."""

    at_s: float
    frame: Frame


class Vehicle:
    """Parked, locked, left, alarm armed; its bus has just been woken and falls asleep if nothing happens."""

    def __init__(self, settings: VehicleSettings | None = None, *, now: float) -> None:
        """`now`: the present time in seconds on whatever clock the later calls use.

        Raises:
            BadInput: the database cannot be read, or is not the reference vehicle's.
        """
        self.settings = settings or VehicleSettings()
        self.database = Database(self.settings.database)
        self.body = Body(rng=self._rng("body"), travel_s=self.settings.lock_travel_s)
        self.motion = Motion(rng=self._rng("motion"), now=now)
        self.bcm = BodyControl(
            self._wiring("bcm"),
            body=self.body,
            receiver=CommandReceiver(
                key=self.settings.secoc_key, last_freshness=self.settings.last_freshness
            ),
            sleep_after_s=self.settings.sleep_after_s,
        )
        self.on_call = OverheadConsole(self._wiring("on-call"))
        self.stability = StabilityControl(self._wiring("stability"), motion=self.motion)
        self.satellites = SatelliteReceiver(self._wiring("satellites"), motion=self.motion, now=now)
        self.babbler = Babbler(rng=self._rng("babbler"))
        self._ecus = (self.bcm, self.on_call, self.stability, self.satellites)
        self._nodes: tuple[Node, ...] = (*self._ecus, self.babbler)
        for ecu in self._ecus:
            ecu.check_database(now)
        self.bcm.activity(now)

    @property
    def doors(self) -> Mapping[Door, bool]:
        """Which doors are open."""
        return self.body.is_open

    @property
    def locks(self) -> Mapping[Door, LockPosition]:
        """Where each lock truly is, whatever CAN says."""
        return self.body.locks

    @property
    def lock_history(self) -> list[LockMovement]:
        """Every lock that has changed its position, oldest first."""
        return self.body.history

    @property
    def command_history(self) -> list[CommandRecord]:
        """Every central locking command that came, and what the BCM thought of it, oldest first."""
        return self.bcm.gate.history

    @property
    def is_asleep(self) -> bool:
        """Whether all ECUs are silent."""
        return not any(ecu.is_awake for ecu in self._ecus)

    def receive(self, frame: Frame, now: float) -> list[Frame]:
        """Take a frame from the outer bus and return what the vehicle sends in answer."""
        return self._circulate(deque([(None, frame)]), now)

    def handle_timer(self, now: float) -> list[Frame]:
        """Do what is due and return what the vehicle sends."""
        deadlines = [(node, node.next_deadline()) for node in self._nodes]
        soonest = min((each for _, each in deadlines if each is not None), default=None)
        if soonest is not None and now < soonest <= now + CLOCK_RESOLUTION_S:
            now = soonest
        pending: deque[tuple[Node | None, Frame]] = deque()
        for node, deadline in deadlines:
            if deadline is not None and deadline <= now:
                pending.extend((node, frame) for frame in node.handle_timer(now))
        return self._circulate(pending, now)

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` is wanted next; a time in the past means at once, None never."""
        deadlines = (node.next_deadline() for node in self._nodes)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def advance(self, *, until: float, now: float) -> list[TimedFrame]:
        """Play from `now` to `until` without a runner; return what was sent, with its times."""
        sent: list[TimedFrame] = []
        while (deadline := self.next_deadline()) is not None and deadline <= until:
            now = max(now, deadline)
            sent += (TimedFrame(now, frame) for frame in self.handle_timer(now))
        return sent

    def _circulate(self, pending: deque[tuple[Node | None, Frame]], now: float) -> list[Frame]:
        """Let every node hear what the others send, and collect what leaves the vehicle."""
        sent: list[Frame] = []
        while pending:
            sender, frame = pending.popleft()
            if sender is not None:
                sent.append(frame)
            for node in self._nodes:
                if node is not sender:
                    pending.extend((node, answer) for answer in node.receive(frame, now))
        return sent

    def _rng(self, part: str) -> Random:
        """Each part draws from a sequence of its own, so that one more draw in one changes nothing in the others."""
        return Random(f"{self.settings.seed}/{part}")

    def _wiring(self, part: str) -> Wiring:
        return Wiring(self.database, self._rng(part), self.settings.least_cycle_s)
