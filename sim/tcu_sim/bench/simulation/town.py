"""The world of a simulated history: a `World` with a bad network both ways, a watch on everything, and a judge."""

from __future__ import annotations

import asyncio
from random import Random

from typing_extensions import override

from tcu_sim.bench.broker import Publication
from tcu_sim.bench.fuse import FusedState
from tcu_sim.bench.simulation.attacker import Attacker
from tcu_sim.bench.simulation.errands import Errands
from tcu_sim.bench.simulation.intruder import Intruder
from tcu_sim.bench.simulation.judge import Judge
from tcu_sim.bench.simulation.network import Network
from tcu_sim.bench.simulation.watch import Trace, Watch, WatchedState
from tcu_sim.bench.world import VEHICLE_ID, World
from tcu_sim.demo.place_search import is_in_clear
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire import messages as m
from tcu_sim.wire.errors import WireError

SLEEPS_AFTER_S = 2.0
"""A bus that falls asleep soon: what costs the simulation time is a bus that is awake."""
AWAKE_BUDGET_S = 12.0
"""No wait lasts longer than this while the bus is awake, for the same reason."""
LEAST_CYCLE_S, FULL_BUS_EVERY = 0.28, 8
"""Most towns have a thin bus: a cyclic frame that says nothing new costs most of a simulation's time. One in eight has
every frame of the DBC. Just below the shortest timeout of the reference mapping (the button's, 300 ms)."""
UNNUMBERED = 0
"""A press that is told at once, before the disk has given it its number: it comes again under that."""
SLICE_S, ASLEEP_SLICE_S = 0.5, 30.0


class Town(World):
    """One car and all that may befall it."""

    def __init__(self, *, seed: int) -> None:
        self.seed = seed
        self.trace = Trace(self.now)
        super().__init__(
            seed=seed,
            vehicle=VehicleSettings(
                seed=seed,
                sleep_after_s=SLEEPS_AFTER_S,
                least_cycle_s=LEAST_CYCLE_S if seed % FULL_BUS_EVERY else 0.0,
            ),
        )
        self.network = Network(Random(f"network {seed}"))
        self.watch = Watch(
            bus=self.bus, database=self.car.vehicle.database, state=self.watched, trace=self.trace
        )
        self.bus.attach(self.watch)
        self.judge = Judge(
            centre=self.centre, watch=self.watch, state=self.watched, vehicle=self.car.vehicle
        )
        self.fuse.when_blown = lambda: self.judge.disturbed_at.append(self.now())
        self.intruder = Intruder(bus=self.bus, car=self.car, watch=self.watch)
        self.errands = Errands(self.centre)
        self.attacker = Attacker(
            broker=self.broker,
            centre=self.centre,
            prefix=f"tcu/v1/{VEHICLE_ID}",
            grants=self.errands.grants,
        )
        self.was_corrupt = False
        """Whether an agent has found a state that it could not read."""
        self._by_number: dict[tuple[bytes, int], m.Message] = {}

    @override
    def make_state(self) -> FusedState:
        self.watched = WatchedState(now=self.now, fuse=self.fuse, trace=self.trace)
        return self.watched

    @override
    def judge_all(self) -> None:
        """Nothing: `run` asks the judge of the town, who knows more, after every step and at the end."""

    async def live(self, seconds: float) -> None:
        """Let time pass, long stretches only while the bus sleeps; a power cut by the fuse ends it early."""
        left_s, awake_s = seconds, AWAKE_BUDGET_S
        while left_s > 0 and awake_s > 0 and not self.agent.lost_power():
            is_asleep = self.car.vehicle.is_asleep
            slice_s = min(left_s, ASLEEP_SLICE_S if is_asleep else SLICE_S)
            await asyncio.sleep(slice_s)
            left_s -= slice_s
            awake_s -= 0 if is_asleep and self.car.vehicle.is_asleep else min(slice_s, SLICE_S)
            self.agent.check()

    async def revive(self) -> None:
        """Start the agent anew, as after a restart of the process alone."""
        await self.die(off_s=1.0, by_power=False)

    async def die(self, *, off_s: float, by_power: bool, sets_clock_right: bool = False) -> None:
        """End the agent where it stands (or bring back one that has ended), and start it again after a while.

        `by_power`: the kernel starts anew as well; else only the process.
        """
        self.judge.disturbed_at.append(self.now())
        self.fuse.is_blown = True
        await self.agent.kill()
        self.link.lose()
        await asyncio.sleep(off_s)
        self.fuse.replace()
        if by_power:
            self.clock.reboot(off_s=0.0)
        if sets_clock_right:
            self.judge.forgery.end()
            self.clock.set_right()
        self.judge.starts += 1
        self.judge.disturbed_at.append(self.now())
        await self.agent.start()

    @override
    def _deliver(self, word: str, data: bytes) -> None:
        deliver = super()._deliver
        self.network.carry(lambda: deliver(word, data))

    @override
    def _hear(self, publication: Publication) -> None:
        self.watch.take(publication)
        self.judge.in_clear += is_in_clear(publication.payload, self.watch.positions)
        _, _, _, way, word = publication.topic.split("/")
        if way == "up":
            self._note(word, publication.payload)
            self.network.carry(lambda: self._heard(word, publication.payload))

    def _note(self, word: str, payload: bytes) -> None:
        """Let the judge see what the car says, whether it reaches the centre or not."""
        try:
            if word == m.Challenge.TYP:
                challenge = self.centre.heard.open(payload, m.Challenge).message
                self.judge.said.challenged_at.setdefault(challenge.request_id, self.now())
            elif word == m.Result.TYP:
                result = self.centre.heard.open(payload, m.Result).message
                self.judge.said.results.append((self.now(), result))
                self._same_number(result)
            elif word == m.Event.TYP:
                self._same_number(self.centre.heard.open(payload, m.Event).message)
        except WireError as error:
            self.judge.noted.append(f"the car published a {word} that does not verify: {error}")

    def _same_number(self, message: m.Result | m.Event) -> None:
        if message.seq == UNNUMBERED:
            return
        known = self._by_number.setdefault((message.stream_id, message.seq), message)
        if known != message:
            self.judge.noted.append(f"two messages under number {message.seq} of one stream")

    def _heard(self, word: str, payload: bytes) -> None:
        try:
            self.errands.hear(self.centre.hear(word, payload))
        except WireError as error:
            self.judge.noted.append(f"the centre cannot read a {word}: {error}")
