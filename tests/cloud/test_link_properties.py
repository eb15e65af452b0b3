"""What the link says with MQTT 5's properties, and what it does with a broker that breaks the announced limits."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tcu_agent.adapters.cloud.mqtt import MOST_PACKET_BYTES, MqttLink
from tcu_agent.config import MqttConfig, TlsConfig
from tcu_agent.errors import MqttTransportError
from tests.contract.certificates import Authority
from tests.contract.links import DOWN, UP, config, first, tiny_broker
from tests.contract.mosquitto import running

REQUEST_ID = bytes(range(16))


def told_with(message: aiomqtt.Message) -> dict[str, Any]:
    """Return a message's properties by name."""
    assert message.properties is not None
    told: dict[str, Any] = message.properties.json()  # type: ignore[no-untyped-call]  # paho gives it no types
    return told


def test_the_broker_is_told_which_request_it_belongs_to_and_where_the_answer_goes(
    tmp_path: Path,
) -> None:
    async def main(port: int) -> None:
        link = MqttLink(config=config(port), vehicle_id="car-1")
        protocol = aiomqtt.ProtocolVersion.V5
        async with aiomqtt.Client("127.0.0.1", port, protocol=protocol) as centre:
            await centre.subscribe(f"{UP}/+", qos=1)
            await link.connect(connection=1, will=b"")
            await link.publish("challenge", b"c", expiry_s=30, correlation=REQUEST_ID)
            await link.publish("event", b"e")
            challenge, event = [await anext(aiter(centre.messages)) for _ in range(2)]
        told = told_with(challenge)
        assert told["CorrelationData"] == REQUEST_ID.hex()
        assert told["ResponseTopic"] == f"{DOWN}/grant"
        assert 0 < told["MessageExpiryInterval"] <= 30
        assert told_with(event) == {}
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker.port))


def test_a_response_topic_from_outside_is_not_looked_at(tmp_path: Path) -> None:
    """Else whoever can publish to us could choose where we publish."""

    async def main(port: int) -> None:
        link = MqttLink(config=config(port), vehicle_id="car-1")
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # untyped
        properties.ResponseTopic = "tcu/v1/car-2/up/event"
        async with aiomqtt.Client(
            "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5
        ) as stranger:
            await link.connect(connection=1, will=b"")
            await stranger.publish(f"{DOWN}/request", b"x", qos=1, properties=properties)
            inbound = await first(link)
        assert (inbound.topic, inbound.payload) == (f"{DOWN}/request", b"x")
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker.port))


@asynccontextmanager
async def boastful_broker(
    authority: Authority, announced: bytes
) -> AsyncIterator[tuple[int, list[int]]]:
    """Serve MQTT 5 over TLS; the subscription is answered by a packet of `announced` length, then filling without end.

    Gives the port, and how many bytes of the filling went out.
    """
    went: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.read(4096)
            writer.write(bytes.fromhex("2003000000"))
            await reader.read(4096)
            writer.write(bytes.fromhex("900400010001") + b"\x32" + announced)
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
                went.append(65_536)
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("broker"))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], went
    finally:
        server.close()
        await server.wait_closed()


def test_a_packet_longer_than_announced_ends_the_link_before_it_is_gathered(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path, "authority")

    async def main() -> None:
        # MQTT 5, 1.5.5: ff ff ff 7f is the longest packet, 268 MB.
        async with boastful_broker(authority, b"\xff\xff\xff\x7f") as (port, went):
            tls = TlsConfig(ca=authority.file)
            link = MqttLink(
                config=MqttConfig(host="127.0.0.1", port=port, client_id="car-1", tls=tls),
                vehicle_id="car-1",
            )
            await link.connect(connection=1, will=b"")
            with pytest.raises(MqttTransportError):
                await first(link)
            await link.disconnect()
            assert sum(went) < 100 * MOST_PACKET_BYTES

    asyncio.run(main())


def test_a_half_open_link_is_found_within_twice_the_keepalive() -> None:
    """The broker of a few lines answers no PINGREQ: as if everything on the way were swallowed."""

    async def main() -> None:
        keepalive_s = 1
        async with tiny_broker() as port:
            link = MqttLink(config=config(port, keepalive_s=keepalive_s), vehicle_id="car-1")
            await link.connect(connection=1, will=b"")
            began = time.monotonic()
            with pytest.raises(MqttTransportError):
                await first(link)
            # aiomqtt looks at the clock once a second.
            assert keepalive_s <= time.monotonic() - began <= 2 * keepalive_s + 2
            await link.disconnect()

    asyncio.run(main())


def test_what_is_sent_together_does_not_wait_for_each_answer(tmp_path: Path) -> None:
    """A car that was offline has hundreds of messages; one round trip for each would take minutes on a slow link."""

    async def main(port: int) -> None:
        link = MqttLink(config=config(port), vehicle_id="car-1")
        protocol = aiomqtt.ProtocolVersion.V5
        async with aiomqtt.Client("127.0.0.1", port, protocol=protocol) as centre:
            await centre.subscribe(f"{UP}/+", qos=1)
            await link.connect(connection=1, will=b"")
            sent = [b"%d" % number for number in range(32)]
            await asyncio.gather(*(link.publish("event", each) for each in sent))
            messages = aiter(centre.messages)
            assert [(await anext(messages)).payload for _ in sent] == sent, "and stays in order"
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker.port))
