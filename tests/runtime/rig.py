"""The whole runtime on simulated time, around a core that does what a test tells it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.adapters.keys.signing_key import Ed25519Signer
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.config import REFERENCE_MAPPING
from tcu_agent.core.effects import Effect, Persist
from tcu_agent.core.events import CoreEvent
from tcu_agent.core.reports.classes import OutboxBounds
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.verify import authorisation
from tcu_agent.core.verify.authorisation import (
    PositionAuthorisation,
    RelockAuthorisation,
    UnlockAuthorisation,
)
from tcu_agent.ports import StatePort
from tcu_agent.protocol import codec, cose
from tcu_agent.protocol.messages import (
    Common,
    Event,
    Message,
    PositionParameters,
    UnlockParameters,
)
from tcu_agent.protocol.vocabulary import EventKind, PositionKind, Service, UnlockMode
from tcu_agent.runtime.agent import Agent, Car, World
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.supervisor import Supervisor
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.ports import (
    InMemoryBroker,
    InMemoryBus,
    InMemoryState,
    Publication,
    SeededEntropy,
    SimulatedClock,
)
from tcu_sim.bench.simulated_loop import run_simulated

VEHICLE_ID = "car-1"
ENVIRONMENT = "bench"
SECOC_KEYS = {"central-locking": bytes(16)}
Answer = Callable[[CoreEvent], tuple[Effect, ...]]


class ScriptedCore:
    """Stands for the core: notes what it gets, answers what it was told to."""

    def __init__(self) -> None:
        self.events: list[CoreEvent] = []
        self.times: list[float] = []
        self.made_from: list[Mapping[str, bytes] | None] = []
        self.starts_with: tuple[Effect, ...] = ()
        self.deadline: float | None = None
        self.answers: dict[type[object], deque[tuple[Effect, ...]]] = {}
        self.always: dict[type[object], Answer] = {}
        self._news = asyncio.Event()

    def make(self, *, stored: Mapping[str, bytes] | None, **_: object) -> ScriptedCore:
        self.made_from.append(stored)
        return self

    def on(self, kind: type[object], *effects: Effect) -> None:
        """Answer the next event of this kind with these effects."""
        self.answers.setdefault(kind, deque()).append(effects)

    def start(self, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        return self.starts_with

    def handle(self, event: CoreEvent, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        self.events.append(event)
        self.times.append(now)
        self._news.set()
        if (answer := self.always.get(type(event))) is not None:
            return answer(event)
        waiting = self.answers.get(type(event))
        return waiting.popleft() if waiting else ()

    def next_deadline(self) -> float | None:
        return self.deadline

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, kind: type[Any], *, number: int = 1) -> Any:
        """Return the `number`-th event of this kind, once it is there."""
        while len(self.of(kind)) < number:
            self._news.clear()
            await self._news.wait()
        return self.of(kind)[number - 1]


class RecordingSupervisor(Supervisor):
    """Keeps what systemd would be told."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__({"NOTIFY_SOCKET": "", **environment})
        self.said: list[str] = []

    def _send(self, line: str) -> None:
        self.said.append(line)


class Rig:
    """Everything around one agent, and the agent once `start` was called."""

    def __init__(self, *, watchdog: bool = False) -> None:
        self.clock = SimulatedClock()
        self.bus = InMemoryBus(name="body", clock=self.clock)
        self.port = self.bus.port()
        self.broker = InMemoryBroker(clock=self.clock)
        self.link = self.broker.link(VEHICLE_ID)
        self.state = InMemoryState()
        self.disk: SqliteState | None = None
        """Instead of `state`, where a test is about the real one."""
        self.core = ScriptedCore()
        self.logbook = Logbook()
        self.supervisor = RecordingSupervisor({"WATCHDOG_USEC": "10000000"} if watchdog else {})
        self.trust: bytes | None = None
        self.outbox = OutboxBounds()
        self.lost_keys: frozenset[str] = frozenset()
        self.agent: Agent | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self, *, core: Any = None) -> None:
        """Build an agent and let it run."""
        self.agent = Agent(
            car=Car(
                settings=CoreSettings(vehicle_id=VEHICLE_ID, environment=ENVIRONMENT),
                mapping=mapping(),
                secoc_keys={k: v for k, v in SECOC_KEYS.items() if k not in self.lost_keys},
                lost_keys=self.lost_keys,
                trust=self.trust,
                outbox=self.outbox,
            ),
            world=self.world(self.disk or self.state),
            core=core or self.core.make,
        )
        self.task = asyncio.create_task(self.agent.run(), name="agent")

    def world(self, state: StatePort) -> World:
        return World(
            buses={"body": self.port},
            link=self.link,
            state=state,
            signer=Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes(32))),
            sealer=HpkeSealer(),
            around=Surroundings(
                clock=self.clock,
                entropy=SeededEntropy(),
                logbook=self.logbook,
                supervisor=self.supervisor,
            ),
        )

    async def stop(self) -> None:
        """Let it end cleanly."""
        assert self.agent is not None
        assert self.task is not None
        self.agent.stop()
        await self.task

    async def wait_s(self, duration_s: float) -> None:
        """Let simulated time pass."""
        await self.clock.wait_until(self.clock.boottime() + duration_s)

    def sent(self, kind: str) -> list[Any]:
        """Return what the vehicle published on one topic, decoded."""
        topic = f"tcu/v1/{VEHICLE_ID}/up/{kind}"
        return [opened(each) for each in self.broker.seen if each.topic == topic]


def play(
    body: Callable[[Any], Coroutine[Any, Any, None]],
    *,
    make: Callable[..., Rig] = Rig,
    **options: Any,
) -> None:
    """Run a test on simulated time with a fresh rig, and stop the agent if it still runs."""

    async def main() -> None:
        rig = make(**options)
        await body(rig)
        if rig.task is not None and not rig.task.done():
            await rig.stop()

    run_simulated(main())


def opened(publication: Publication) -> Message:
    """Return the message that was published; its signature is not looked at."""
    envelope = cose.parse(publication.payload)
    message = codec.message_of(envelope.typ)
    assert message is not None
    return codec.decode(message, envelope.claimed_payload)


@cache
def mapping() -> VehicleMapping:
    return load_mapping(REFERENCE_MAPPING)


def event(seq: int) -> Event:
    return Event(
        vehicle_id=VEHICLE_ID,
        boot_id=bytes(8),
        kind=EventKind.STATE_CHANGED,
        seq=seq,
        boot_time_ms=0,
        wall_time_ms=0,
        stream_id=bytes(8),
    )


def append(*seqs: int) -> Persist:
    return Persist(append=tuple(event(seq) for seq in seqs))


def common(service: Service) -> Common:
    return Common(
        vehicle_id=VEHICLE_ID,
        service=service,
        request_id=bytes(16),
        nonce=bytes(16),
        boot_id=bytes(8),
    )


def unlock_authorisation() -> UnlockAuthorisation:
    """Return one that no verifier has made: the runtime's tests stand in for it."""
    return UnlockAuthorisation(
        common=common(Service.UNLOCK),
        parameters=UnlockParameters(UnlockMode.DIRECT),
        incident_id=bytes(16),
        grant_hash=bytes(32),
        accepted_at=0.0,
        expires_at=1e9,
        seal=authorisation._VERIFIER,
    )


def position_authorisation() -> PositionAuthorisation:
    """Return one that no verifier has made."""
    return PositionAuthorisation(
        common=common(Service.POSITION),
        parameters=PositionParameters(PositionKind.SNAPSHOT),
        case_id=b"C" * 16,
        grant_hash=bytes(32),
        accepted_at=0.0,
        expires_at=1e9,
        seal=authorisation._VERIFIER,
    )


def relock_authorisation() -> RelockAuthorisation:
    """Return one that no unlock has borne."""
    return RelockAuthorisation(request_id=bytes(16), seal=authorisation._RELOCKER)
