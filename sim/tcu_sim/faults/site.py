"""One car, one broker, one centre, and a proxy on each way to the broker.

Real are the agent's process (`tcu-agent run`), its store, mosquitto, TLS, TCP, and the centre's store. The car and its
bus live in this process behind a pseudo terminal with slcan, as in the crash campaign, and so does the light centre.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tcu_sim.bench.light_centre import LightCentre, seeded_key
from tcu_sim.bus.frame import Frame
from tcu_sim.bus.in_process import InProcessNode
from tcu_sim.bus.pty_link import PtyLink
from tcu_sim.bus.router import Router
from tcu_sim.campaign.observer import Ear, boottime
from tcu_sim.centre.mqtt import BrokerAddress, MqttBus
from tcu_sim.demo.can_source import bus_options
from tcu_sim.faults.broker import FaultBroker
from tcu_sim.faults.centre import StoringCentre
from tcu_sim.faults.papers import Paper, PaperAuthority
from tcu_sim.faults.program import Program
from tcu_sim.faults.proxy import LOOPBACK, Proxy
from tcu_sim.pki.files import make_private_directory, write_secret, write_signing_key
from tcu_sim.vehicle.database import Database
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.reference import BENCH_SECOC_KEY
from tcu_sim.vehicle.runner import VehicleRunner
from tcu_sim.vehicle.vehicle import Vehicle, VehicleSettings

VEHICLE_ID = "car-1"
ENVIRONMENT = "bench"
AWAKE_S = 86_400.0
QUEUE_FRAMES = 65_536
ROOTS_NEEDED = 2
CHALLENGE_TTL_S = 2
KEEPALIVE_S = 5
"""The least that the agent allows."""
TIMEOUT_S = 10
CONFIG = "tcu.toml"
WATCHED = "CentralLockCommand", "TcuStatus", "AlarmStatus"
TRIGGERED = "Triggered"


@dataclass(slots=True)
class BusWatch:
    """Counts unlock frames and alarms on the bus: what happened, whatever anybody says.

    `call`: what the lamp is told; `alarm`: what it was last.
    """

    database: Database
    unlocks: int = 0
    alarms: int = 0
    alarm: str = ""
    call: str = ""

    def take(self, frame: Frame) -> None:
        """Called with every frame."""
        ids = {self.database.arbitration_id(name) for name in WATCHED}
        decoded = self.database.decoded(frame) if frame.arbitration_id in ids else None
        if decoded is None:
            return
        self.call = str(decoded.signals.get("OnCallState", self.call))
        self.unlocks += decoded.signals.get("LockCommand") == "UnlockAll"
        alarm = str(decoded.signals.get("AlarmState", self.alarm))
        self.alarms += alarm == TRIGGERED != self.alarm
        self.alarm = alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What a car needs for TLS."""

    authority: PaperAuthority
    good: Paper


@dataclass(slots=True, kw_only=True)
class Site:
    """Everything that a case may use."""

    folder: Path
    broker: FaultBroker
    car_way: Proxy
    centre_way: Proxy
    runner: VehicleRunner
    watch: BusWatch
    centre: StoringCentre
    agent: Program
    papers: Papers | None
    outgoing: asyncio.Queue[tuple[str, bytes]]
    wrong_clock: Path | None = None
    full_disk: Path | None = None
    """Libraries that are loaded before the agent's program."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the next `restart` writes into [mqtt] beside the usual."""

    @property
    def light(self) -> LightCentre:
        """What signs for the centre."""
        return self.centre.light

    @property
    def database_file(self) -> Path:
        """The agent's store."""
        return self.folder / "state" / "state.sqlite"

    def publish(self, word: str, data: bytes) -> None:
        """Publish bytes to the car, as whoever."""
        self.outgoing.put_nowait((word, data))

    def act(self, act: Callable[[Person, float], None]) -> None:
        """Let somebody do something at the car now."""
        self.runner.do(lambda vehicle, now: act(Person(vehicle), now))

    async def restart(self, *, paper: Paper | None = None, plain: bool = False) -> None:
        """Start the agent, again or for the first time, on the same store. `paper`: another certificate of its own."""
        await self.agent.stop()
        use_tls = self.papers is not None and not plain
        self.car_way.upstream = (self.broker.tls if use_tls else None) or self.broker.plain
        self._configure(paper or (self.papers.good if self.papers and use_tls else None))
        await self.agent.start()

    async def until(self, predicate: Callable[[], object], *, timeout_s: float) -> bool:
        """Wait until something is true of what the centre has; False if it is not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not predicate():
                    await self.centre.news()
        except TimeoutError:
            return bool(predicate())
        return True

    def _configure(self, paper: Paper | None) -> None:
        own = self.folder / "vehicle"
        mqtt = {
            "host": LOOPBACK,
            "port": self.car_way.port,
            "protocol": self.broker.mqtt_version,
            "keepalive_s": KEEPALIVE_S,
            "timeout_s": TIMEOUT_S,
        } | self.settings
        can = bus_options(f"slcan:{self.folder / 'can' / 'tcu'}")
        sections: dict[str, Mapping[str, object]] = {
            "vehicle": {"id": VEHICLE_ID, "environment": ENVIRONMENT},
            "can.bus.body": {key: can.pop(key) for key in ("interface", "channel", "bitrate")},
            "can.bus.body.options": can,
            "mqtt": mqtt,
            "keys": {"signing": str(own / "signing.pem")},
            "keys.secoc": {"central-locking": str(own / "secoc.key")},
            "trust": {"roots": str(own / "roots.toml"), "bundle": str(own / "trust.cbor")},
            "state": {"directory": str(self.folder / "state")},
            "unlock": {"challenge_ttl_s": CHALLENGE_TTL_S, "relock": "none"},
            "theft": {"theft_notice_after_s": 0},
            "on_call": {"hang_up_s": 1, "call_shown_s": 1},
            "log": {"format": "json"},
        }
        if paper is not None and self.papers is not None:
            sections["mqtt.tls"] = {
                "ca": str(self.papers.authority.file),
                "certificate": str(paper.certificate),
                "key": str(paper.key),
            }
        text = "schema = 1\n" + "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in each.items())
            for name, each in sections.items()
        )
        (self.folder / CONFIG).write_text(text, encoding="utf-8")


@asynccontextmanager
async def open_site(
    folder: Path,
    broker: FaultBroker,
    *,
    papers: Papers | None,
    seed: int,
    wrong_clock: Path | None = None,
    full_disk: Path | None = None,
) -> AsyncIterator[Site]:
    """Start everything but the agent.

    Raises:
        ProgramError: the broker does not start.
    """
    async with AsyncExitStack() as stack:
        await broker.start()
        stack.push_async_callback(broker.kill)
        car_way = await stack.enter_async_context(Proxy(broker.tls or broker.plain).running())
        centre_way = await stack.enter_async_context(Proxy(broker.plain).running())
        address = BrokerAddress(port=centre_way.port, version=broker.mqtt_version)
        bus = MqttBus(address, client_id="centre-command")
        outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        key = seeded_key(f"vehicle {seed}")
        light = LightCentre(
            vehicle_id=VEHICLE_ID,
            environment=ENVIRONMENT,
            vehicle_key=key.public,
            send=lambda word, data: outgoing.put_nowait((word, data)),
            now=boottime,
            seed=seed,
        )
        centre = StoringCentre(light, make_private_directory(folder / "centre"))
        stack.callback(centre.store.close)
        vehicle = Vehicle(
            VehicleSettings(seed=seed, sleep_after_s=AWAKE_S), now=asyncio.get_running_loop().time()
        )
        watch = BusWatch(vehicle.database)
        router = Router(rng=Random(seed))
        terminal = PtyLink(
            name="tcu", index=0, path=folder / "can" / "tcu", queue_frames=4096, router=router
        )
        node = InProcessNode(name="vehicle", router=router, queue_frames=QUEUE_FRAMES)
        for each in (terminal, node, Ear(watch.take)):
            router.attach(each)
        stack.callback(router.close)
        terminal.open()
        stack.callback(terminal.close)
        runner = VehicleRunner(vehicle, node)
        own = make_private_directory(folder / "vehicle")
        write_signing_key(own / "signing.pem", key)
        write_secret(own / "secoc.key", BENCH_SECOC_KEY)
        (own / "trust.cbor").write_bytes(light.send_trust())
        (own / "roots.toml").write_text(_roots(light))
        agent = Program(
            name="agent",
            argv=[sys.executable, "-m", "tcu_agent", "run", "-c", str(folder / CONFIG)],
            log=folder / "logs" / "agent.log",
            ready='"connected"',
        )
        stack.push_async_callback(agent.kill)
        works: list[Coroutine[Any, Any, None]] = [
            runner.run(), bus.run(centre), _speak(bus, outgoing),
        ]  # fmt: skip
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(work) for work in works]
        try:
            yield Site(
                folder=folder,
                broker=broker,
                car_way=car_way,
                centre_way=centre_way,
                runner=runner,
                watch=watch,
                centre=centre,
                agent=agent,
                papers=papers,
                outgoing=outgoing,
                wrong_clock=wrong_clock,
                full_disk=full_disk,
            )
        finally:
            for task in tasks:
                task.cancel()


def _roots(light: LightCentre) -> str:
    lines = [f"threshold = {ROOTS_NEEDED}"]
    for root in light.roots:
        lines += ["[[root]]", f"alg = {root.public.alg}", f'public_key = "{root.public.raw.hex()}"']
    return "\n".join(lines) + "\n"


async def _speak(bus: MqttBus, outgoing: asyncio.Queue[tuple[str, bytes]]) -> None:
    while True:
        word, data = await outgoing.get()
        await bus.publish(VEHICLE_ID, word, data)
