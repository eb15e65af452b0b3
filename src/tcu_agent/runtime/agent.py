"""The agent: everything joined, one TaskGroup, each task with a name.

It gets all of the world by its constructor, so that a whole run plays on simulated time with the ports' stand-ins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tcu_agent.adapters.can.commands import CommandEncoder
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.adapters.storage.volatile_state import VolatileState
from tcu_agent.core.agent import Core
from tcu_agent.core.effects import Effect
from tcu_agent.core.events import MessageArrived, TimePassed
from tcu_agent.core.reports.classes import OutboxBounds
from tcu_agent.core.settings import CoreSettings
from tcu_agent.errors import NoStateError, StorageError
from tcu_agent.ports import (
    CanFrame,
    CanPort,
    LinkPort,
    PowerPort,
    RtcPort,
    Sealer,
    Signer,
    StatePort,
)
from tcu_agent.runtime.can_bus import CanBus
from tcu_agent.runtime.connection import Connection, Identity, Senders
from tcu_agent.runtime.executor import Executor, Outlets
from tcu_agent.runtime.freshness import StoredFreshness
from tcu_agent.runtime.noise import Noise
from tcu_agent.runtime.notary import Notary
from tcu_agent.runtime.outbox import OutboxSender
from tcu_agent.runtime.outbox_limits import OutboxLimits
from tcu_agent.runtime.outbox_repair import OutboxRepair
from tcu_agent.runtime.position_sender import PositionSender
from tcu_agent.runtime.prompt_sender import PromptSender
from tcu_agent.runtime.pump import Decider, Pump
from tcu_agent.runtime.receivers_word import ReceiversWord
from tcu_agent.runtime.silence import CENTRE, DESK, Party, Silence
from tcu_agent.runtime.sleeper import Sleeper
from tcu_agent.runtime.store_rest import StoreRest
from tcu_agent.runtime.stored_journal import StoredJournal
from tcu_agent.runtime.surroundings import Surroundings
from tcu_agent.runtime.transmitter import Transmitter
from tcu_agent.runtime.waiting import cancel_until_done

Taps = Mapping[tuple[int, bool], Callable[[CanFrame], None]]

_BOOT_ID_BYTES = 8
_RANDOM_BYTES = 16


class CoreFactory(Protocol):
    """How the core is made; `core.agent.Core` itself, or a test's own."""

    def __call__(
        self,
        *,
        settings: CoreSettings,
        boot_id: bytes,
        boot_session: str,
        stored: Mapping[str, bytes] | None,
        now: float,
        wall: float | None,
        random: bytes,
    ) -> Decider:
        """Restore from `stored`; None = it cannot be read at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the agent touches. `buses`: one port for each bus of the mapping, by its name.

    `rtc` and `power`: both where the board may suspend, else neither.
    """

    buses: Mapping[str, CanPort]
    link: LinkPort
    state: StatePort
    signer: Signer
    sealer: Sealer
    around: Surroundings
    rtc: RtcPort | None = None
    power: PowerPort | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """What the agent knows about its car. `trust`: the first trust bundle, a container, if it comes from a file.

    `lost_keys`: SecOC keys that are configured, and cannot be used: what needs one is not sent.
    """

    settings: CoreSettings
    mapping: VehicleMapping
    secoc_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    lost_keys: frozenset[str] = frozenset()
    trust: bytes | None = None
    outbox: OutboxBounds = field(default_factory=OutboxBounds)


class Agent:
    """One agent from start to end. `run` once."""

    def __init__(self, *, car: Car, world: World, core: CoreFactory = Core) -> None:
        """Read the state and build everything; nothing is opened before `run`.

        Raises:
            KeyStoreError: a SecOC key that the mapping names is missing.
        """
        self._car = car
        self._world = world
        self._around = around = world.around
        self._boot_id = self._random(_BOOT_ID_BYTES)
        self._stopping = asyncio.Event()
        self._stored = self._load()
        # A state that cannot be read is not written either: the file stays as evidence, and the next start
        # finds it as damaged as this one did.
        self._state = VolatileState() if self._stored is None else world.state
        self.core = self._make_core(core)
        self._pump = Pump(core=self.core, perform=self._perform, around=around)
        self._noise = Noise(clock=around.clock, logbook=around.logbook)
        self._notary = Notary(signer=world.signer, environment=car.settings.environment)
        self._senders = self._make_senders()
        encoder = self._make_encoder()
        word = ReceiversWord(clock=around.clock, logbook=around.logbook)
        self._buses = {
            name: self._make_bus(port, encoder.taps(name, judged=word.judged))
            for name, port in world.buses.items()
        }
        self._transmitter = Transmitter(
            encoder=encoder, buses=self._buses, push=self._pump.push, around=around
        )
        self._connection = Connection(
            link=world.link,
            identity=Identity(vehicle_id=car.settings.vehicle_id, boot_id=self._boot_id),
            notary=self._notary,
            senders=self._senders,
            sink=self._pump,
            around=around,
        )
        self._sleeper = Sleeper(
            link=self._connection, sink=self._pump, rtc=world.rtc, power=world.power, around=around
        )
        self._executor = Executor(self._outlets())
        self._store_rest = StoreRest(
            state=self._state, between=self._pump.put_between, around=around
        )

    async def run(self) -> None:
        """Run until `stop`, or for ever.

        Raises:
            ExceptionGroup: a bug, or (`BadInput`) a configuration that only opening the world could find wrong.
        """
        if self._car.trust is not None:
            random = self._random(_RANDOM_BYTES)
            self._pump.push([MessageArrived("trust", self._car.trust, False, random)])
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump.run(), name="pump")
            tasks = [group.create_task(run, name=name) for name, run in self._tasks()]
            await self._stopping.wait()
            self._around.supervisor.stopping()
            self._around.logbook.info("stopping")
            # What is under way is finished first: a command to the car is never cut in two.
            self._pump.stop()
            await pump
            await self._connection.say_goodbye()
            await cancel_until_done(tasks)
        self._around.logbook.info("stopped")

    def stop(self) -> None:
        """Let `run` end cleanly: the last event is finished, the centre told, everything closed."""
        self._stopping.set()

    def _tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        for name, bus in self._buses.items():
            yield f"can {name}", bus.run()
        yield "status transmitter", self._transmitter.run_status()
        yield "wake transmitter", self._transmitter.run_wake()
        yield "mqtt link", self._connection.run()
        yield "sleeper", self._sleeper.run()
        yield "store rest", self._store_rest.run()
        yield "announcer", self._announce()
        yield "noise", self._noise.run()
        if (watchdog_s := self._around.supervisor.watchdog_s) is not None:
            yield "watchdog", self._feed_watchdog(watchdog_s)

    async def _announce(self) -> None:
        for bus in self._buses.values():
            await bus.opened.wait()
        self._around.logbook.info("listening", buses=",".join(self._buses))
        self._around.supervisor.ready()

    async def _feed_watchdog(self, every_s: float) -> None:
        while True:
            # Through the pump and back: fed only while events are really being handled.
            await self._pump.put(TimePassed(self._random(_RANDOM_BYTES)))
            await self._pump.drain()
            self._around.supervisor.alive()
            await self._around.wait_s(every_s)

    async def _perform(self, effect: Effect) -> None:
        await self._executor.perform(effect)

    def _load(self) -> Mapping[str, bytes] | None:
        state = self._world.state
        try:
            # Each message that is stored has a number of the journal's: beside one that cannot be read nothing can be.
            self._stored_journal(state).find()
            return state.load()
        except StorageError as error:
            word = "state-unusable" if isinstance(error, NoStateError) else "state-corrupt"
            self._around.logbook.error(
                word, detail=str(error), consequence="remote services refused"
            )
            self._around.supervisor.degrade("no state, remote services refused")
            return None

    def _make_core(self, core: CoreFactory) -> Decider:
        clock = self._around.clock
        return core(
            settings=self._car.settings,
            boot_id=self._boot_id,
            # Without the kernel's boot id no stored boot time means anything: every start is one after a power cut.
            boot_session=clock.boot_session() or self._boot_id.hex(),
            stored=self._stored,
            now=clock.boottime(),
            wall=clock.wall(),
            random=self._random(_RANDOM_BYTES),
        )

    def _make_encoder(self) -> CommandEncoder:
        return CommandEncoder(
            self._car.mapping,
            keys=self._car.secoc_keys,
            lost_keys=self._car.lost_keys,
            open_freshness=lambda key: StoredFreshness(
                key=key, stored=self._stored, state=self._state
            ),
            first_counter=int.from_bytes(self._random(1), "big"),
        )

    def _make_bus(self, port: CanPort, taps: Taps) -> CanBus:
        decoder = SignalDecoder(
            self._car.mapping, port.name, started_at=self._around.clock.boottime(), taps=taps
        )
        return CanBus(port=port, decoder=decoder, sink=self._pump, around=self._around)

    def _make_senders(self) -> Senders:
        clock, logbook = self._around.clock, self._around.logbook
        journal = self._stored_journal(self._state)
        repair = OutboxRepair(state=self._state, journal=journal, logbook=logbook)
        repair.look_through()
        limits = OutboxLimits(
            state=self._state,
            journal=journal,
            bounds=self._car.outbox,
            clock=clock,
            logbook=logbook,
        )
        limits.look_through()
        return Senders(
            prompt=PromptSender(logbook=logbook),
            outbox=OutboxSender(
                state=self._state,
                repair=repair,
                limits=limits,
                notary=self._notary,
                silence=self._silence(CENTRE),
                clock=clock,
                logbook=logbook,
            ),
            positions=PositionSender(
                state=self._state,
                journal=journal,
                notary=self._notary,
                silence=self._silence(DESK),
                clock=clock,
                logbook=logbook,
            ),
        )

    def _stored_journal(self, state: StatePort) -> StoredJournal:
        return StoredJournal(
            state=state, vehicle_id=self._car.settings.vehicle_id, boot_id=self._boot_id
        )

    def _silence(self, party: Party) -> Silence:
        around = self._around
        return Silence(
            party=party,
            clock=around.clock,
            entropy=around.entropy,
            logbook=around.logbook,
            supervisor=around.supervisor,
        )

    def _outlets(self) -> Outlets:
        return Outlets(
            state=self._state,
            senders=self._senders,
            transmitter=self._transmitter,
            sleeper=self._sleeper,
            notary=self._notary,
            sealer=self._world.sealer,
            environment=self._car.settings.environment,
            clock=self._around.clock,
            logbook=self._around.logbook,
            noise=self._noise,
            supervisor=self._around.supervisor,
        )

    def _random(self, length: int) -> bytes:
        return self._around.entropy.random_bytes(length)
