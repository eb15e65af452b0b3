"""One car of the fleet: the whole agent on a link of its own, and a virtual vehicle that sleeps most of the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tcu_agent.adapters.clock import SystemClock
from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.adapters.entropy import SystemEntropy
from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.adapters.storage.volatile_state import VolatileState
from tcu_agent.config import MqttConfig
from tcu_agent.core.settings import CoreSettings
from tcu_agent.ports import CanFrame
from tcu_agent.runtime.agent import Agent, Car, World
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.agent_run import BenchSigner
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tcu_sim.bench.vehicle_run import VehicleRun
from tcu_sim.pki.files import read_signing_key
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_roots
from tcu_sim.vehicle.vehicle import VehicleSettings

AWAKE_S = 1.0
"""How long a car's bus stays awake after something has happened: a parked fleet sleeps."""
CYCLE_S = 0.25
"""Nothing comes more often by its cycle: many cars' buses share the processor with all the rest.

Below the shortest timeout of the mapping, which is 0.3 s."""
PRESS_S = 0.3
BUS = "body"

Tell = Callable[[str, str], None]
"""Called with what happened and the vehicle's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the fleet lives. `mapping`: shared by all cars, as it is the same file."""

    layout: Layout
    environment: str
    broker_port: int
    mapping: VehicleMapping


class _ForgetfulBus(InMemoryBus):
    """Keeps no record of its frames: nobody looks, and a fleet runs long."""

    def put(self, frame: CanFrame, *, sender: InMemoryCanPort | None = None) -> None:
        super().put(frame, sender=sender)
        self.sent.clear()


class _ToldLink(MqttLink):
    """The real link, which also tells when it is up."""

    def __init__(self, *, config: MqttConfig, vehicle_id: str, tell: Tell) -> None:
        super().__init__(config=config, vehicle_id=vehicle_id)
        self._vehicle_id = vehicle_id
        self._tell = tell

    async def connect(self, *, connection: int, will: bytes) -> bool:
        has_session = await super().connect(connection=connection, will=will)
        self._tell("connected", self._vehicle_id)
        return has_session


class FleetCar:
    """One car; `run` until cancelled."""

    def __init__(self, vehicle_id: str, place: Place, *, logbook: Logbook, tell: Tell) -> None:
        files = place.layout.vehicle(vehicle_id)
        secoc_key = (files / "secoc.key").read_bytes()
        clock = SystemClock()
        bus = _ForgetfulBus(name=BUS, clock=clock)
        port = bus.port()
        settings = VehicleSettings(
            secoc_key=secoc_key, sleep_after_s=AWAKE_S, least_cycle_s=CYCLE_S
        )
        self._vehicle = VehicleRun(port=bus.port(), settings=settings)
        mqtt = MqttConfig(
            host="127.0.0.1", port=place.broker_port, client_id=vehicle_id, timeout_s=60.0
        )
        self._agent = Agent(
            car=_car(vehicle_id, place, {"central-locking": secoc_key}),
            world=World(
                buses={BUS: port},
                link=_ToldLink(config=mqtt, vehicle_id=vehicle_id, tell=tell),
                state=VolatileState(),
                signer=BenchSigner(read_signing_key(files / "signing.pem")),
                sealer=HpkeSealer(),
                around=Surroundings(clock=clock, entropy=SystemEntropy(), logbook=logbook),
            ),
        )

    async def run(self) -> None:
        """Live until cancelled."""
        await self._vehicle.start()
        try:
            await self._agent.run()
        finally:
            await self._vehicle.stop()

    def press_on_call(self) -> None:
        """Let somebody press the ON CALL button."""
        self._vehicle.do(lambda now: self._vehicle.person.press_on_call(PRESS_S, now=now))


def _car(vehicle_id: str, place: Place, secoc_keys: Mapping[str, bytes]) -> Car:
    roots = read_roots(place.layout.roots)
    return Car(
        settings=CoreSettings(
            vehicle_id=vehicle_id,
            environment=place.environment,
            roots=tuple(key.raw for key in roots.keys),
            root_threshold=roots.threshold,
        ),
        mapping=place.mapping,
        secoc_keys=secoc_keys,
        trust=(place.layout.vehicle(vehicle_id) / "trust.cbor").read_bytes(),
    )


async def run_cars(cars: Mapping[str, FleetCar], *, ended: asyncio.Event) -> None:
    """Run all cars until `ended` is set.

    Raises:
        ExceptionGroup: an agent has ended by itself.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(car.run(), name=name) for name, car in cars.items()]
        await ended.wait()
        for task in tasks:
            task.cancel()
