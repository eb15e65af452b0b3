"""What the tests of the link need: the centre's end of either broker, and a broker of a few lines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig
from tcu_agent.config.schema import MqttProtocol
from tcu_agent.ports import Inbound, LinkPort
from tcu_sim.bench.ports import InMemoryBroker, InMemoryLink, Publication
from tests.contract.mosquitto import Mosquitto

UP = "tcu/v1/car-1/up"
DOWN = "tcu/v1/car-1/down"


class Peer(Protocol):
    """The other end: the centre's connection to the broker."""

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> None: ...

    async def next(self) -> tuple[str, bytes]: ...

    def cut(self, link: LinkPort) -> None: ...


class MqttPeer:
    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # untyped
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        await self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)

    async def next(self) -> tuple[str, bytes]:
        message = await anext(aiter(self._client.messages))
        return message.topic.value, bytes(message.payload)

    def cut(self, link: LinkPort) -> None:
        assert isinstance(link, MqttLink)
        assert link._client is not None
        connection = link._client._client.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)


class InMemoryPeer:
    def __init__(self, broker: InMemoryBroker) -> None:
        self._broker = broker
        self._heard: asyncio.Queue[Publication] = asyncio.Queue()
        broker.watch(self._heard.put_nowait)

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        self._broker.publish(topic, payload, retain=retain, expiry_s=expiry_s)

    async def next(self) -> tuple[str, bytes]:
        while True:
            publication = await self._heard.get()
            if "/up/" in publication.topic:
                return publication.topic, publication.payload

    def cut(self, link: LinkPort) -> None:
        assert isinstance(link, InMemoryLink)
        link.lose()


Body = Callable[[LinkPort, Peer], Coroutine[Any, Any, None]]
Play = Callable[[Body], None]


def config(port: int, protocol: MqttProtocol = "5", **more: Any) -> MqttConfig:
    return MqttConfig(host="127.0.0.1", port=port, client_id="tcu-car-1", protocol=protocol, **more)


@asynccontextmanager
async def peer_of(broker: Mosquitto) -> AsyncIterator[MqttPeer]:
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        await client.subscribe(f"{UP}/+", qos=1)
        yield MqttPeer(client)


async def subscribe_and_leave(port: int) -> None:
    """Be the centre that is away: it has subscribed, and its session stays."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # untyped
    properties.SessionExpiryInterval = 3600
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier="centre",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
    ) as client:
        await client.subscribe(f"{UP}/+", qos=1)


async def first(link: LinkPort) -> Inbound:
    return await anext(aiter(link.messages()))


@asynccontextmanager
async def tiny_broker(
    *, connack: int = 0, suback: int = 1, dismisses: dict[int, int] | None = None
) -> AsyncIterator[int]:
    """Serve MQTT 5 on the port given: takes connections, answers subscriptions, acknowledges no publication.

    `dismisses`: packets (first byte, the upper half) that it answers by ending the connection, with a reason code.
    """
    answers = {
        0x10: bytes([0x20, 3, 0, connack, 0]),
        0x80: bytes.fromhex("9004000100") + bytes([suback]),
    }
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readexactly(1):
                await reader.readexactly(await _remaining_length(reader))
                if (code := (dismisses or {}).get(head[0] & 0xF0)) is not None:
                    writer.write(bytes([0xE0, 2, code, 0]))
                    break
                writer.write(answers.get(head[0] & 0xF0, b""))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for writer in writers:
            await writer.wait_closed()


async def _remaining_length(reader: asyncio.StreamReader) -> int:
    """Source: MQTT 5, 1.5.5: seven bits a byte, the lowest first."""
    total, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        total |= (digit & 0x7F) << shift
        if not digit & 0x80:
            return total
        shift += 7
