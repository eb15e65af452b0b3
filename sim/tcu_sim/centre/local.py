"""All four services in one process, without sockets: for scenarios on simulated time and for quick tests.

The services are the very same; tokens are checked as between processes. What a vehicle publishes goes in with `feed`,
what the centre publishes comes out of `publish`; `run` (one task) does the work in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from tcu_sim.centre.api import Bus, Peer, Reply, Service, dispatch
from tcu_sim.centre.build import Builder, Surroundings
from tcu_sim.centre.client import Client
from tcu_sim.centre.identity import read_identity
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.tokens import TokenCheck, read_token

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class LocalPeer:
    """The way to a service in this process, with a caller's token."""

    centre: LocalCentre
    service: str
    token: str = field(repr=False)

    async def call(self, operation: str, body: Mapping[str, object]) -> Reply:
        """Call an operation, through the same gate as a call over HTTP.

        Raises:
            Denied, BadCall, NotAllowed, ServiceUnreachable: see `api.Peer`.
        """
        return await self.centre.dispatch(self.service, operation, self.token, body)


class LocalCentre:
    """The centre of a bench in one process."""

    def __init__(self, layout: Layout, *, bus: Bus, around: Surroundings) -> None:
        self._layout = layout
        self._builder = Builder(layout, around, bus, self._peer)
        self.services: dict[str, Service] = {name: self._builder.build(name) for name in SERVICES}
        self._tokens: dict[str, TokenCheck] = {
            name: read_identity(layout.service(name)).tokens for name in SERVICES
        }
        self._inbox: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue()

    def client(self) -> Client:
        """Return a client that holds every person's tokens, as a bench does."""
        return Client(self._peer)

    def close(self) -> None:
        """Close the databases."""
        self._builder.close()

    def feed(self, topic: str, payload: bytes) -> None:
        """Take what a vehicle has published; other topics are passed over."""
        levels = topic.split("/")
        if len(levels) == 5 and levels[3] == "up":
            self._inbox.put_nowait((levels[2], levels[4], payload))

    async def settle(self) -> None:
        """Handle all that has been fed so far."""
        while not self._inbox.empty():
            await self._handle(*self._inbox.get_nowait())

    async def run(self, *, tick_s: float = TICK_S) -> None:
        """Handle what is fed, and let time do its part each `tick_s`, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._handle_all(), name="centre-inbox")
            tasks.create_task(self._tick_all(tick_s), name="centre-clock")

    async def tick(self) -> None:
        """Let every service do what time asks for."""
        for service in self.services.values():
            await service.tick()

    async def dispatch(
        self, service: str, operation: str, token: str, body: Mapping[str, object]
    ) -> Reply:
        """Carry out one call (see `api.dispatch`)."""
        return await dispatch(
            self.services[service],
            self._tokens[service],
            operation=operation,
            token=token,
            body=body,
        )

    def _peer(self, caller: str, service: str) -> Peer:
        return LocalPeer(self, service, read_token(self._layout, caller=caller, service=service))

    async def _handle_all(self) -> None:
        while True:
            await self._handle(*await self._inbox.get())

    async def _handle(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        for service in self.services.values():
            if message_type in service.topics:
                await service.receive(vehicle_id, message_type, payload)

    async def _tick_all(self, tick_s: float) -> None:
        while True:
            await asyncio.sleep(tick_s)
            await self.tick()
