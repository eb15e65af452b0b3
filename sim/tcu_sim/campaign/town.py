"""Where agents live and die: a real broker, a bus, a car, a centre and an observer who stay while agents come and go.

Real are the agent's process, its SQLite store and its files, mosquitto, TCP and the pseudo terminal with slcan that is
the agent's CAN bus. The car, the bus behind the terminal and the light centre run in the campaign's own process, on
real time: so that a restart costs no more than the agent's own start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt

from tcu_sim.bench.light_centre import LightCentre, seeded_key
from tcu_sim.bus.in_process import InProcessNode
from tcu_sim.bus.pty_link import PtyLink
from tcu_sim.bus.router import Router
from tcu_sim.campaign.errors import CampaignError
from tcu_sim.campaign.observer import Observer, boottime
from tcu_sim.demo.agent_config import AgentPlace, agent_toml
from tcu_sim.demo.broker import LOOPBACK, Broker, start_broker
from tcu_sim.demo.observer import BrokerAddress
from tcu_sim.demo.processes import Ensemble
from tcu_sim.pki.files import make_private_directory, write_secret, write_signing_key
from tcu_sim.vehicle.motion import Position
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.reference import BENCH_SECOC_KEY
from tcu_sim.vehicle.runner import VehicleRunner
from tcu_sim.vehicle.vehicle import Vehicle, VehicleSettings
from tcu_sim.wire.keys import SigningKey

VEHICLE_ID = "car-1"
ENVIRONMENT = "bench"
AWAKE_S = 86_400.0
"""The bus never sleeps: a sleeping car would spend the campaign's time in waking up."""
QUEUE_FRAMES = 65_536
ROOTS_NEEDED = 2
ANSWER_TIMEOUT_S = 120.0
"""Of the broker, to the campaign itself, on a machine that may be very busy."""
Predicate = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """One lane's world. `config`: the agent's tcu.toml; `state`: its state directory."""

    folder: Path
    state: Path
    config: Path
    broker: Broker
    runner: VehicleRunner
    centre: LightCentre
    observer: Observer
    outgoing: asyncio.Queue[tuple[str, bytes]]

    @property
    def vehicle(self) -> Vehicle:
        """The car."""
        return self.runner.vehicle

    def act(self, act: Callable[[Person, float], None]) -> None:
        """Let somebody do something at the car now.

        Raises:
            NotPossible: the world does not allow it.
        """
        self.runner.do(lambda vehicle, now: act(Person(vehicle), now))

    def publish(self, word: str, data: bytes) -> None:
        """Publish bytes to the car, as whoever."""
        self.outgoing.put_nowait((_topic(word), data))

    async def until(self, predicate: Predicate, *, timeout_s: float) -> bool:
        """Wait until something is true of what was seen; False if it is not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not predicate():
                    await self.observer.news()
        except TimeoutError:
            return bool(predicate())
        return True


@asynccontextmanager
async def open_town(folder: Path, *, state: Path, seed: int) -> AsyncIterator[Town]:
    """Start everything but the agent. `state` need not be there yet.

    Raises:
        SimulatorError: a part does not start.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    async with Ensemble(folder / "logs") as ensemble:
        broker = await start_broker(ensemble, folder)
        if not broker.shows_retained:
            raise CampaignError("mosquitto is missing: the campaign wants the real broker")
        outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        key = seeded_key(f"vehicle {seed}")
        centre = _centre(key, outgoing, seed)
        loop_s = asyncio.get_running_loop().time()
        vehicle = Vehicle(VehicleSettings(seed=seed, sleep_after_s=AWAKE_S), now=loop_s)
        observer = Observer(centre=centre, database=vehicle.database)
        router, terminal, node = _bus(folder, seed)
        router.attach(observer.ear)
        town = Town(
            folder=folder,
            state=state,
            config=_configure(folder, state, centre, key, terminal.path, broker),
            broker=broker,
            runner=VehicleRunner(vehicle, node),
            centre=centre,
            observer=observer,
            outgoing=outgoing,
        )
        terminal.open()
        try:
            async with _connected(town) as client, asyncio.TaskGroup() as group:
                tasks = [group.create_task(each) for each in _works(town, client)]
                yield town
                for task in tasks:
                    task.cancel()
        finally:
            terminal.close()
            router.close()


def _works(town: Town, client: aiomqtt.Client) -> list[Coroutine[Any, Any, None]]:
    return [town.runner.run(), _move_about(town), _hear(client, town), _speak(client, town)]


def _centre(key: SigningKey, outgoing: asyncio.Queue[tuple[str, bytes]], seed: int) -> LightCentre:
    return LightCentre(
        vehicle_id=VEHICLE_ID,
        environment=ENVIRONMENT,
        vehicle_key=key.public,
        send=lambda word, data: outgoing.put_nowait((_topic(word), data)),
        now=boottime,
        seed=seed,
    )


def _bus(folder: Path, seed: int) -> tuple[Router, PtyLink, InProcessNode]:
    router = Router(rng=Random(seed))
    path = folder / "can" / "tcu"
    terminal = PtyLink(name="tcu", index=0, path=path, queue_frames=4096, router=router)
    node = InProcessNode(name="vehicle", router=router, queue_frames=QUEUE_FRAMES)
    router.attach(terminal)
    router.attach(node)
    return router, terminal, node


def _configure(
    folder: Path, state: Path, centre: LightCentre, key: SigningKey, channel: Path, broker: Broker
) -> Path:
    """Write what an agent needs as files; return its configuration."""
    own = make_private_directory(folder / "vehicle")
    write_signing_key(own / "signing.pem", key)
    write_secret(own / "secoc.key", BENCH_SECOC_KEY)
    (own / "trust.cbor").write_bytes(centre.send_trust())
    roots = [f"threshold = {ROOTS_NEEDED}"]
    for root in centre.roots:
        roots += ["[[root]]", f"alg = {root.public.alg}", f'public_key = "{root.public.raw.hex()}"']
    (own / "roots.toml").write_text("\n".join(roots) + "\n")
    place = AgentPlace(
        vehicle_id=VEHICLE_ID,
        environment=ENVIRONMENT,
        vehicle=own,
        state=state,
        can_address=f"slcan:{channel}",
        broker_host=LOOPBACK,
        broker_port=broker.port,
        mqtt_version=broker.mqtt_version,
    )
    config = folder / "tcu.toml"
    config.write_text(agent_toml(place), encoding="utf-8")
    return config


@asynccontextmanager
async def _connected(town: Town) -> AsyncIterator[aiomqtt.Client]:
    address = BrokerAddress(LOOPBACK, town.broker.port, town.broker.mqtt_version)
    client = aiomqtt.Client(
        address.host,
        address.port,
        identifier="campaign",
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=ANSWER_TIMEOUT_S,
    )
    async with client:
        await address.subscribe_all(client)
        yield client


async def _hear(client: aiomqtt.Client, town: Town) -> None:
    async for message in client.messages:
        if isinstance(message.payload, bytes):
            town.observer.take_message(str(message.topic), message.payload)


async def _speak(client: aiomqtt.Client, town: Town) -> None:
    # Up to Python 3.11 `asyncio.wait_for`, with which aiomqtt waits, swallows a cancellation that meets the answer.
    while not _is_cancelled():
        topic, data = await town.outgoing.get()
        await client.publish(topic, data, qos=1)


async def _move_about(town: Town) -> None:
    """Put the car somewhere else each second: where a position says it is tells when it was taken."""
    while True:
        latitude_deg, longitude_deg = town.observer.clock.place_at(boottime())
        town.vehicle.motion.place(Position(latitude_deg, longitude_deg))
        await asyncio.sleep(1.0)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _topic(word: str) -> str:
    return f"tcu/v1/{VEHICLE_ID}/down/{word}"
