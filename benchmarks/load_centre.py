"""The least of a centre: subscribes the car, acknowledges its events, and notes when each came from the broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiomqtt

from tcu_sim.pki.files import read_signing_key
from tcu_sim.pki.layout import Layout
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import open_signed, sign
from tcu_sim.wire.keys import PublicKey, SigningKey


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event, and when the broker handed it over: CLOCK_REALTIME, s."""

    at_s: float
    event: m.Event


@dataclass(slots=True, kw_only=True)
class LoadCentre:
    """One car's centre. `arrived`: its events in the order of arrival."""

    layout: Layout
    vehicle_id: str
    environment: str
    client: aiomqtt.Client
    arrived: list[Arrived] = field(default_factory=list)
    online: asyncio.Event = field(default_factory=asyncio.Event)

    async def subscribe_car(self) -> None:
        """Tell the car that its owner subscribes to the service: without it, it tells no states."""
        account = m.Account(
            vehicle_id=self.vehicle_id,
            version=1,
            epoch=1,
            ownership_generation=1,
            pin_generation=1,
            users=(),
            subscription_active=True,
        )
        await self._send(account, self._key("account"))

    async def listen(self) -> None:
        """Take what comes until cancelled; an event that is not signed by the car ends it.

        Raises:
            WireError: the car said what it must never say.
        """
        command, car = self._key("command"), self._car()
        async for message in self.client.messages:
            at_s = time.time()
            if message.topic.value.endswith("/availability"):
                self.online.set()
            if message.topic.value.endswith("/event") and isinstance(message.payload, bytes):
                event = open_signed(message.payload, m.Event, car, self.environment).message
                self.arrived.append(Arrived(at_s, event))
                await self._send(
                    m.Ack(vehicle_id=self.vehicle_id, seq=event.seq, stream_id=event.stream_id),
                    command,
                )

    def _car(self) -> PublicKey:
        return read_signing_key(self.layout.vehicle(self.vehicle_id) / "signing.pem").public

    def _key(self, service: str) -> SigningKey:
        return read_signing_key(self.layout.service(service) / "signing.pem")

    async def _send(self, message: m.Account | m.Ack, key: SigningKey) -> None:
        topic = f"tcu/v1/{self.vehicle_id}/down/{message.TYP}"
        await self.client.publish(topic, sign(message, key, self.environment), qos=1)


@asynccontextmanager
async def load_centre(
    layout: Layout, *, vehicle_id: str, environment: str, port: int
) -> AsyncIterator[LoadCentre]:
    """Have a centre that listens."""
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe(f"tcu/v1/{vehicle_id}/up/#", qos=1)
        centre = LoadCentre(
            layout=layout, vehicle_id=vehicle_id, environment=environment, client=client
        )
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(centre.listen())
            try:
                yield centre
            finally:
                listening.cancel()
