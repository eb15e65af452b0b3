"""MQTT around a service: a persistent session, a loop that connects again, and a queue for what has to go out.

MQTT 5 with Retain As Published, so that a stored message is seen and passed over; 3.1.1 for brokers that speak no more.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tcu_sim.centre.api import Service
from tcu_sim.centre.ending import end_tasks

log = logging.getLogger(__name__)
QUEUE_LENGTH = 1000
SESSION_EXPIRY_S = 7 * 24 * 3600
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is. `version`: ``5`` or ``3.1.1``. `password` None: it lets everybody in."""

    host: str = "127.0.0.1"
    port: int
    version: str = "5"
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    topic: str
    payload: bytes
    expiry_s: int | None


class MqttBus:
    """A service's connection to the vehicles."""

    def __init__(self, address: BrokerAddress, *, client_id: str) -> None:
        self._address = address
        self._client_id = client_id
        self._queue: asyncio.Queue[_Outgoing] = asyncio.Queue(QUEUE_LENGTH)
        self._unsent: _Outgoing | None = None
        self._has_failed = False
        self.connected = asyncio.Event()
        """Set while the connection is up and subscribed."""

    async def publish(
        self, vehicle_id: str, message_type: str, payload: bytes, *, expiry_s: int | None = None
    ) -> None:
        """Queue a message for a vehicle; waits while the queue is full."""
        await self._queue.put(
            _Outgoing(f"tcu/v1/{vehicle_id}/down/{message_type}", payload, expiry_s)
        )

    async def run(self, service: Service) -> None:
        """Keep the connection up and hand the service what arrives, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._connect_once(service)
            except aiomqtt.MqttError as error:
                self._has_failed = True
                where = f"{self._address.host}:{self._address.port}"
                log.warning(
                    "%s: no connection to the broker at %s (--broker-host, --broker-port): %s; again in %g s",
                    self._client_id, where, error, pause_s,
                )  # fmt: skip
            _heed_cancellation()
            if self.connected.is_set():
                pause_s = FIRST_PAUSE_S
            self.connected.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _connect_once(self, service: Service) -> None:
        async with self._client() as client:
            for message_type in service.topics:
                await client.subscribe(f"tcu/v1/+/up/{message_type}", **self._subscription())
            _heed_cancellation()
            self._note_connection()
            # No TaskGroup: up to Python 3.12 one whose task fails while it only waits leaves its parent counted as
            # cancelled, and `_heed_cancellation` would take the end of a connection for the end of the service.
            tasks = {
                asyncio.create_task(self._receive(client, service)),
                asyncio.create_task(self._send(client)),
            }
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end_tasks(tasks)
            for task in ended:
                task.result()

    def _note_connection(self) -> None:
        self.connected.set()
        if self._has_failed:
            self._has_failed = False
            log.warning("%s: connected to the broker again", self._client_id)

    async def _receive(self, client: aiomqtt.Client, service: Service) -> None:
        async for message in client.messages:
            levels = message.topic.value.split("/")
            if message.retain or len(levels) != 5 or not isinstance(message.payload, bytes):
                log.warning("%s: passed over a stored or strange message", self._client_id)
                continue
            await service.receive(levels[2], levels[4], message.payload)

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            if self._unsent is None:
                self._unsent = await self._queue.get()
            waiting = self._unsent
            await client.publish(
                waiting.topic, waiting.payload, qos=1, properties=self._expiry(waiting.expiry_s)
            )
            self._unsent = None

    @property
    def _is_5(self) -> bool:
        return self._address.version == "5"

    def _client(self) -> aiomqtt.Client:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        session.SessionExpiryInterval = SESSION_EXPIRY_S
        address = self._address
        protocol = aiomqtt.ProtocolVersion.V5 if self._is_5 else aiomqtt.ProtocolVersion.V311
        return aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=self._client_id,
            protocol=protocol,
            clean_session=None if self._is_5 else False,
            clean_start=False if self._is_5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
            properties=session if self._is_5 else None,
        )

    def _subscription(self) -> dict[str, Any]:
        if not self._is_5:
            return {"qos": 1}
        return {"options": SubscribeOptions(qos=1, retainAsPublished=True)}

    def _expiry(self, expiry_s: int | None) -> Properties | None:
        if expiry_s is None or not self._is_5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
        properties.MessageExpiryInterval = expiry_s
        return properties


def _heed_cancellation() -> None:
    """Raise a cancellation that got lost on the way.

    Up to Python 3.12 a task group that a failing task ends at the same moment swallows it, and up to 3.11
    `asyncio.wait_for`, which aiomqtt waits with, when the answer comes at the same moment.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
