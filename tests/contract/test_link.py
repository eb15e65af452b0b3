"""aiomqtt on a real mosquitto, in both versions of MQTT, and the bench's broker keep the same promises."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tcu_agent.adapters.mqtt import INBOUND_LIMIT_BYTES, MqttLink
from tcu_agent.config import MqttConfig
from tcu_agent.config.schema import MqttProtocol
from tcu_agent.errors import MqttTransportError
from tcu_agent.ports import Inbound, LinkPort
from tcu_sim.bench.ports import InMemoryBroker, InMemoryLink, Publication, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.contract.mosquitto import Mosquitto, free_port, running

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


@pytest.fixture(params=["5", "3.1.1", "in-memory"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    def simulated(body: Body) -> None:
        async def main() -> None:
            broker = InMemoryBroker(clock=SimulatedClock())
            await body(broker.link("car-1"), InMemoryPeer(broker))

        run_simulated(main())

    def real(body: Body) -> None:
        async def main(broker: Mosquitto) -> None:
            async with peer_of(broker) as peer:
                link = MqttLink(config=config(broker.port, request.param), vehicle_id="car-1")
                try:
                    await body(link, peer)
                finally:
                    await link.disconnect()

        with running(tmp_path) as broker:
            asyncio.run(main(broker))

    return simulated if request.param == "in-memory" else real


async def first(link: LinkPort) -> Inbound:
    return await anext(aiter(link.messages()))


def test_what_the_centre_publishes_arrives_unchanged_and_in_order(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        await link.connect(connection=1, will=b"will")
        messages = aiter(link.messages())
        payloads = [b"", b"\x00\xff", b"x" * 5000]
        for payload in payloads:
            await peer.publish(f"{DOWN}/grant", payload)
        for payload in payloads:
            inbound = await anext(messages)
            assert inbound == Inbound(f"{DOWN}/grant", payload, False)

    play(body)


def test_what_the_car_publishes_reaches_the_centre(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        await link.connect(connection=1, will=b"will")
        await link.publish("challenge", b"\x01\x02", expiry_s=30)
        assert await peer.next() == (f"{UP}/challenge", b"\x01\x02")

    play(body)


def test_another_cars_messages_do_not_arrive(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        await link.connect(connection=1, will=b"will")
        await peer.publish("tcu/v1/car-2/down/grant", b"not ours")
        await peer.publish(f"{UP}/event", b"not for us")
        await peer.publish(f"{DOWN}/ack", b"ours")
        assert (await first(link)).payload == b"ours"

    play(body)


def test_a_polite_end_leaves_no_will_and_a_cut_does(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        await link.connect(connection=1, will=b"first will")
        await link.disconnect()
        await link.connect(connection=2, will=b"second will")
        peer.cut(link)
        assert await peer.next() == (f"{UP}/availability", b"second will")

    play(body)


def test_a_cut_ends_the_messages_and_fails_what_is_published_after_it(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        await link.connect(connection=1, will=b"will")
        waiting = asyncio.ensure_future(first(link))
        await asyncio.sleep(0)
        peer.cut(link)
        with pytest.raises(MqttTransportError) as caught:
            await waiting
        assert caught.value.temporary
        await link.disconnect()
        with pytest.raises(MqttTransportError) as caught:
            await link.publish("event", b"too late")
        assert not caught.value.may_have_happened

    play(body)


def test_commands_sent_while_offline_wait_in_the_session(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        await link.connect(connection=1, will=b"will")
        await link.disconnect()
        await peer.publish(f"{DOWN}/request", b"while offline")
        await link.connect(connection=2, will=b"will")
        assert (await first(link)).payload == b"while offline"

    play(body)


def test_nothing_is_published_before_connecting(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        with pytest.raises(MqttTransportError) as caught:
            await link.publish("event", b"too early")
        assert not caught.value.may_have_happened
        await link.disconnect()

    play(body)


def test_a_retained_message_is_flagged_where_the_version_can_show_it(
    play: Play, request: pytest.FixtureRequest
) -> None:
    is_old = "3.1.1" in request.node.callspec.id

    async def body(link: LinkPort, peer: Peer) -> None:
        await peer.publish(f"{DOWN}/grant", b"before", retain=True)
        await link.connect(connection=1, will=b"will")
        messages = aiter(link.messages())
        assert await anext(messages) == Inbound(f"{DOWN}/grant", b"before", True)
        await peer.publish(f"{DOWN}/request", b"while subscribed", retain=True)
        # MQTT 3.1.1 hides the flag in an existing subscription; 5 shows it, as asked.
        assert await anext(messages) == Inbound(f"{DOWN}/request", b"while subscribed", not is_old)

    play(body)


# ------------------------------------------------------------------------------ both ends of faults


def test_an_unreachable_broker_is_worth_another_try() -> None:
    async def main() -> None:
        link = MqttLink(config=config(free_port()), vehicle_id="car-1")
        with pytest.raises(MqttTransportError) as caught:
            await link.connect(connection=1, will=b"")
        assert caught.value.temporary

    asyncio.run(main())

    async def simulated() -> None:
        broker = InMemoryBroker(clock=SimulatedClock())
        broker.is_reachable = False
        with pytest.raises(MqttTransportError) as caught:
            await broker.link("car-1").connect(connection=1, will=b"")
        assert caught.value.temporary

    run_simulated(simulated())


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_refuses_us_is_not(tmp_path: Path, protocol: MqttProtocol) -> None:
    async def main(broker: Mosquitto) -> None:
        link = MqttLink(config=config(broker.port, protocol), vehicle_id="car-1")
        with pytest.raises(MqttTransportError) as caught:
            await link.connect(connection=1, will=b"")
        assert not caught.value.temporary

    with running(tmp_path, settings="allow_anonymous false\n") as broker:
        asyncio.run(main(broker))


def test_the_benchs_broker_refuses_in_the_same_way() -> None:
    async def main() -> None:
        broker = InMemoryBroker(clock=SimulatedClock())
        broker.refuses_authentication = True
        with pytest.raises(MqttTransportError) as caught:
            await broker.link("car-1").connect(connection=1, will=b"")
        assert not caught.value.temporary

    run_simulated(main())


def test_name_and_password_from_a_file(tmp_path: Path) -> None:
    async def main(broker: Mosquitto) -> None:
        secret = tmp_path / "mqtt.password"
        secret.write_text("secret\n")
        secret.chmod(0o600)
        known = config(broker.port, username="car-1", password_file=secret)
        link = MqttLink(config=known, vehicle_id="car-1")
        await link.connect(connection=1, will=b"")
        await link.disconnect()

    # mosquitto's $7$ form: PBKDF2-SHA512; the plain form is taken by mosquitto_passwd only.
    salt = b"0123456789ab"
    derived = hashlib.pbkdf2_hmac("sha512", b"secret", salt, 101)
    line = f"car-1:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}\n"
    (tmp_path / "passwords").write_text(line)
    settings = f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}\n"
    with running(tmp_path, settings=settings) as broker:
        asyncio.run(main(broker))


def test_a_subscription_that_the_broker_denies_is_told_apart() -> None:
    """mosquitto's ACL file grants every subscription and filters later; other brokers say no at once."""

    async def main() -> None:
        async with tiny_broker(suback=0x87) as port:
            link = MqttLink(config=config(port), vehicle_id="car-1")
            with pytest.raises(MqttTransportError, match="does not let us subscribe") as caught:
                await link.connect(connection=1, will=b"")
            assert not caught.value.temporary

    asyncio.run(main())


def test_a_broker_that_never_answers_is_given_up_and_its_socket_closed() -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            gone.set()
            writer.close()

        server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = MqttLink(config=config(port, timeout_s=0.1), vehicle_id="car-1")
        with pytest.raises(MqttTransportError) as caught:
            await link.connect(connection=1, will=b"")
        assert caught.value.temporary
        await gone.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_broker_that_dies_is_noticed(tmp_path: Path) -> None:
    async def main(broker: Mosquitto) -> None:
        link = MqttLink(config=config(broker.port), vehicle_id="car-1")
        await link.connect(connection=1, will=b"")
        waiting = asyncio.ensure_future(first(link))
        await asyncio.sleep(0)
        broker.kill()
        with pytest.raises(MqttTransportError):
            await waiting
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker))


def test_a_message_that_is_too_long_arrives_cut_so_that_it_can_be_refused(tmp_path: Path) -> None:
    async def main(broker: Mosquitto) -> None:
        link = MqttLink(config=config(broker.port), vehicle_id="car-1")
        async with peer_of(broker) as peer:
            await link.connect(connection=1, will=b"")
            await peer.publish(f"{DOWN}/grant", b"x" * (INBOUND_LIMIT_BYTES + 1000))
            assert len((await first(link)).payload) == INBOUND_LIMIT_BYTES + 1
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker))


def test_an_expired_command_is_not_delivered(tmp_path: Path) -> None:
    async def simulated() -> None:
        clock = SimulatedClock()
        broker = InMemoryBroker(clock=clock)
        link = broker.link("car-1")
        await link.connect(connection=1, will=b"")
        await link.disconnect()
        broker.publish(f"{DOWN}/request", b"old", expiry_s=10)
        broker.publish(f"{DOWN}/request", b"fresh", expiry_s=100)
        await clock.wait_until(clock.boottime() + 20)
        await link.connect(connection=2, will=b"")
        assert (await first(link)).payload == b"fresh"

    run_simulated(simulated())


def test_a_lost_puback_says_that_it_may_have_got_through() -> None:
    async def main() -> None:
        broker = InMemoryBroker(clock=SimulatedClock())
        link = broker.link("car-1")
        await link.connect(connection=1, will=b"")
        broker.loses_pubacks = True
        with pytest.raises(MqttTransportError) as caught:
            await link.publish("event", b"x")
        assert caught.value.may_have_happened
        assert [seen.payload for seen in broker.seen] == [b"x"]

    run_simulated(main())


def test_a_real_link_without_pubacks_says_the_same() -> None:
    async def main() -> None:
        async with tiny_broker() as port:
            link = MqttLink(config=config(port, timeout_s=0.2), vehicle_id="car-1")
            await link.connect(connection=1, will=b"")
            with pytest.raises(MqttTransportError) as caught:
                await link.publish("event", b"x")
            assert caught.value.may_have_happened
            await link.disconnect()

    asyncio.run(main())


@asynccontextmanager
async def tiny_broker(*, suback: int = 1) -> AsyncIterator[int]:
    """Serve MQTT 5 on the port given: takes connections, answers subscriptions, acknowledges no publication."""
    answers = {
        0x10: bytes.fromhex("2003000000"),
        0x80: bytes.fromhex("9004000100") + bytes([suback]),
    }
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readexactly(1):
                await reader.readexactly(await _remaining_length(reader))
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
