"""The whole agent, the virtual vehicle, a broker and a light centre in one process, on simulated time.

`async with World(...) as world:` gives a car that is online, trusts its centre and knows its account. Everything then
happens when the scenario says so; minutes of the car's life take milliseconds. Every world is judged when it ends: it
raises what the oracle has to complain of. Nobody can build one that is not, or forget to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from types import TracebackType
from typing import Any, Self

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.config import REFERENCE_MAPPING
from tcu_agent.core.settings import CoreSettings
from tcu_agent.runtime.agent import Agent, Car
from tcu_agent.runtime.agent import World as AgentWorld
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.agent_run import AgentRun, Board
from tcu_sim.bench.broker import InMemoryBroker, Publication
from tcu_sim.bench.can_bus import InMemoryBus
from tcu_sim.bench.carrier import Carrier
from tcu_sim.bench.clock import SeededEntropy, SimulatedClock
from tcu_sim.bench.fuse import Fuse, FusedLink, FusedPort, FusedState
from tcu_sim.bench.light_centre import LightCentre, seeded_key
from tcu_sim.bench.operator import Operator
from tcu_sim.bench.oracle import Command, complaints
from tcu_sim.bench.power import SimulatedPower, SimulatedRtc
from tcu_sim.bench.recorder import Recorder
from tcu_sim.bench.vehicle_run import VehicleRun
from tcu_sim.bench.waiting import Waiting
from tcu_sim.errors import SimulatorError
from tcu_sim.vehicle.vehicle import VehicleSettings
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Call, Told

VEHICLE_ID = "car-1"
ENVIRONMENT = "bench"
AWAKE_S = 15.0
"""The virtual vehicle's bus stays awake so long after something has happened; sleeping time costs next to nothing."""

Make = Callable[[Car, AgentWorld], Agent]


class CondemnedError(SimulatorError):
    """A world has ended, and the oracle's verdict is not the expected one."""


@cache
def _reference_mapping() -> VehicleMapping:
    """Read once: a simulation builds thousands of worlds."""
    return load_mapping(REFERENCE_MAPPING)


class World:
    """One car and all around it.

    `settings`: fields of the agent's `CoreSettings` to set otherwise. `vehicle`: how the virtual vehicle is built.
    `make`: another agent than the real one, to see that the oracle notices. `suspends`: the board does when told to.
    `expects`: words of a complaint that the oracle must have, of a world that shows that it sees something.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        vehicle: VehicleSettings | None = None,
        make: Make | None = None,
        suspends: bool = False,
        expects: str = "",
    ) -> None:
        self._expects = expects
        self.clock = SimulatedClock()
        self.fuse = Fuse()
        self._suspended_s = 0.0
        self.rtc = SimulatedRtc(self.clock)
        self.power = SimulatedPower(rtc=self.rtc, now=self.clock.boottime, suspend=self.suspend)
        self.bus = InMemoryBus(name="body", clock=self.clock)
        self.broker = InMemoryBroker(clock=self.clock)
        self.carrier = Carrier(self._deliver)
        self.logbook = Logbook()
        key = seeded_key(f"vehicle {seed}")
        self.centre = LightCentre(
            vehicle_id=VEHICLE_ID,
            environment=ENVIRONMENT,
            vehicle_key=key.public,
            send=self.carrier.send,
            now=self.now,
            seed=seed,
        )
        built = vehicle or VehicleSettings(seed=seed, sleep_after_s=AWAKE_S)
        self.car = VehicleRun(port=self.bus.port(), settings=built)
        self.state = self.make_state()
        self.recorder = Recorder(
            bus=self.bus, database=self.car.vehicle.database, now=self.now, state=self.state
        )
        self.port = FusedPort(bus=self.bus, fuse=self.fuse)
        self.bus.attach(self.port)
        self.link = FusedLink(
            broker=self.broker, vehicle_id=VEHICLE_ID, clock=self.clock, fuse=self.fuse
        )
        self.broker.attach(self.link)
        board = Board(
            port=self.port,
            link=self.link,
            state=self.state,
            key=key,
            around=Surroundings(
                clock=self.clock, entropy=SeededEntropy(f"agent {seed}"), logbook=self.logbook
            ),
            rtc=self.rtc if suspends else None,
            power=self.power if suspends else None,
        )
        self.agent = AgentRun(car=self._car(settings or {}, built), board=board, make=make)
        self.waiting = Waiting(heard=self.centre.heard, check=self.agent.check)
        self.operator = Operator(centre=self.centre, waiting=self.waiting)
        self.broker.watch(self._hear)

    def make_state(self) -> FusedState:
        """Return the durable state; a world that wants to see more of it makes another one."""
        return FusedState(now=self.now, fuse=self.fuse)

    def _car(self, settings: Mapping[str, Any], built: VehicleSettings) -> Car:
        return Car(
            settings=CoreSettings(
                vehicle_id=VEHICLE_ID,
                environment=ENVIRONMENT,
                roots=tuple(root.public.raw for root in self.centre.roots),
                **settings,
            ),
            mapping=_reference_mapping(),
            secoc_keys={"central-locking": built.secoc_key},
        )

    # ------------------------------------------------------------------ life
    async def __aenter__(self) -> Self:
        """Start vehicle and agent, and let the car learn trust and account."""
        await self.car.start()
        await self.agent.start()
        await self.waiting.until("the car is online", lambda: self.link.connections)
        self.centre.send_trust()
        self.centre.send_account()
        await self.waiting.event(Told.ACCOUNT_CHANGED)
        await self.pass_time(1.0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop both, and judge what they have done.

        Raises:
            CondemnedError: the oracle complains, or does not although it is expected to.
        """
        await self.agent.stop()
        await self.car.stop()
        if kind is None:
            self.judge_all()

    def judge_all(self) -> None:
        """Hold the whole run against the oracle's rules.

        Raises:
            CondemnedError: the oracle complains, or does not although it is expected to.
        """
        found = self.complaints()
        if self._expects and not any(self._expects in each for each in found):
            raise CondemnedError(f"no complaint says {self._expects!r}: {found}")
        if found and not self._expects:
            raise CondemnedError("; ".join(found))

    async def restart_agent(self, *, off_s: float = 1.0) -> None:
        """Stop the agent cleanly if it runs, wait, and start it again on the same durable state."""
        await self.agent.stop()
        await self.pass_time(off_s)
        await self.agent.start()

    async def power_cut(self, *, off_s: float = 5.0) -> None:
        """Cut the board's power now: the agent dies where it stands, the kernel starts anew after `off_s`."""
        self.fuse.is_blown = True
        await self.agent.kill()
        await self.power_up(off_s=off_s)

    async def fuse_blown(self, *, timeout_s: float = 30.0) -> None:
        """Wait until the fuse has cut the power."""
        await self.waiting.until("the power cut", self.agent.lost_power, timeout_s=timeout_s)

    async def power_up(self, *, off_s: float = 5.0) -> None:
        """Let the board come back on the same durable state, `off_s` later."""
        self.link.lose()
        await self.pass_time(off_s)
        self.fuse.replace()
        self.clock.reboot(off_s=0.0)
        await self.agent.start()

    def now(self) -> float:
        """Return true time in seconds: through suspends and restarts, whatever the board's clocks say."""
        return asyncio.get_running_loop().time() + self._suspended_s

    def suspend(self, duration_s: float) -> None:
        """Let the board sleep for so long; its tasks see nothing of it but the clocks."""
        self._suspended_s += duration_s
        self.clock.suspend(duration_s)

    async def pass_time(self, seconds: float) -> None:
        """Let simulated time pass."""
        await asyncio.sleep(seconds)
        self.agent.check()

    # ------------------------------------------------------------------ looking
    def complaints(self) -> list[str]:
        """Return what the oracle has to say about the whole run."""
        return complaints(self.recorder.evidence(self.centre))

    def unlocks(self) -> list[Command]:
        """Return the unlock frames that were on the bus."""
        return [command for command in self.recorder.commands() if command.is_unlock]

    def locks(self) -> list[Command]:
        """Return the lock frames that were on the bus."""
        return [command for command in self.recorder.commands() if not command.is_unlock]

    # ------------------------------------------------------------------ the other side
    async def answer_call(self, *, number: int = 1) -> m.Event:
        """Let the centre answer the `number`-th ON CALL press."""
        press = await self.waiting.event(Told.ON_CALL_PRESSED, number=number)
        self.centre.send_call(press, Call.RINGING)
        self.centre.send_call(press, Call.CONNECTED)
        return press

    def attack(self, word: str, data: bytes, *, retain: bool = False) -> None:
        """Publish bytes to the car as somebody who has broken into the broker."""
        self.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/{word}", data, retain=retain)

    def _deliver(self, word: str, data: bytes) -> None:
        self.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/{word}", data)

    def _hear(self, publication: Publication) -> None:
        self.recorder.take(publication)
        _, _, _, way, word = publication.topic.split("/")
        if way == "up":
            self.centre.hear(word, publication.payload)
