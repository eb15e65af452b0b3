"""The broker configuration that is shipped: a car reaches its own topics, and nobody else's by any way we know."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig, TlsConfig
from tcu_agent.errors import PublicationRefusedError
from tests.contract.certificates import Authority
from tests.contract.links import DOWN, UP, first
from tests.contract.mosquitto import free_port, started_from

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"
OTHER_UP, OTHER_DOWN = "tcu/v1/car-2/up", "tcu/v1/car-2/down"
MARK = b"the mark behind what must not arrive"


@dataclass(frozen=True)
class Site:
    """A broker from the shipped files, and who makes certificates for it."""

    port: int
    authority: Authority

    def tls(self, name: str) -> TlsConfig:
        certificate, key = self.authority.issue(name)
        return TlsConfig(ca=self.authority.file, certificate=certificate, key=key)

    @asynccontextmanager
    async def client(self, name: str, **options: Any) -> AsyncIterator[aiomqtt.Client]:
        """A client with a certificate of that name."""
        tls = self.tls(name)
        context = ssl.create_default_context(cafile=str(tls.ca))
        assert tls.certificate is not None
        context.load_cert_chain(tls.certificate, tls.key)
        async with aiomqtt.Client(
            "127.0.0.1",
            self.port,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=context,
            **options,
        ) as client:
            yield client

    def link(self, name: str, *, speaks_as: str | None = None) -> MqttLink:
        """The agent's link with a certificate of that name; its topics are those of `speaks_as`."""
        config = MqttConfig(
            host="127.0.0.1", port=self.port, client_id=f"tcu-{name}", tls=self.tls(name)
        )
        return MqttLink(config=config, vehicle_id=speaks_as or name)


def adapted(folder: Path, authority: Authority, port: int) -> str:
    """Return the shipped configuration with this test's paths, and nothing else changed."""
    certificate, key = authority.issue("broker")
    text = (DEPLOY / "mosquitto.conf").read_text()
    for setting, value in {
        "listener": f"{port} 127.0.0.1",
        "acl_file": DEPLOY / "tcu.acl",
        "cafile": authority.file,
        "certfile": certificate,
        "keyfile": key,
        "persistence_location": f"{folder}/",
    }.items():
        text, count = re.subn(rf"(?m)^{setting} .*$", f"{setting} {value}", text)
        assert count == 1, setting
    return f"user {getpass.getuser()}\n{text}"


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    with restartable(folder) as start, start() as broker:
        yield broker


@contextmanager
def restartable(folder: Path) -> Iterator[Callable[[], AbstractContextManager[Site]]]:
    """Give what starts the broker, which is ended in good order behind each block."""
    authority = Authority.make(folder, "authority")
    port = free_port()
    configuration = adapted(folder, authority, port)

    @contextmanager
    def start() -> Iterator[Site]:
        with started_from(folder, configuration) as process:
            yield Site(port, authority)
            process.terminate()
            process.wait()

    yield start


def play(folder: Path, body: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    with site(folder) as broker:
        asyncio.run(body(broker))


def cut(client: aiomqtt.Client) -> None:
    """End the connection without a word."""
    connection = client._client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)


async def heard(client: aiomqtt.Client) -> list[tuple[str, bytes]]:
    """Return what arrives up to the mark."""
    seen: list[tuple[str, bytes]] = []
    async for message in client.messages:
        if message.payload == MARK:
            return seen
        assert isinstance(message.payload, bytes)
        seen.append((message.topic.value, message.payload))
    return seen


def test_the_agent_and_the_centre_speak_through_it(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        link = broker.link("car-1")
        async with broker.client("centre-command") as centre:
            await centre.subscribe("tcu/v1/+/up/event", qos=1)
            await link.connect(connection=1, will=b"will")
            await link.publish("event", b"up")
            assert (await anext(aiter(centre.messages))).payload == b"up"
            await centre.publish(f"{DOWN}/request", b"down", qos=1)
            assert (await first(link)).payload == b"down"
        await link.disconnect()

    play(tmp_path, body)


@pytest.mark.parametrize(
    "topic_filter",
    [f"{DOWN}/+", f"{UP}/+", "tcu/v1/car-1/#", "#", "tcu/v1/+/down/grant", "+/+/+/+/+", "$SYS/#",
     f"$share/g/{DOWN}/+", "$share/g/#"],
)  # fmt: skip
def test_a_car_reads_nothing_of_another(tmp_path: Path, topic_filter: str) -> None:
    async def body(broker: Site) -> None:
        async with broker.client("car-2") as thief, broker.client("centre-command") as centre:
            await thief.subscribe(f"{OTHER_DOWN}/ack", qos=1)
            await thief.subscribe(topic_filter, qos=1)
            link = broker.link("car-1")
            await link.connect(connection=1, will=b"")
            await link.publish("event", b"secret of car-1")
            await centre.publish(f"{DOWN}/grant", b"grant for car-1", qos=1)
            assert (await first(link)).payload == b"grant for car-1"
            await centre.publish(f"{OTHER_DOWN}/ack", MARK, qos=1)
            assert await heard(thief) == []
            await link.disconnect()

    play(tmp_path, body)


def test_a_car_writes_nothing_of_another(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        async with broker.client("car-2") as thief, broker.client("centre-command") as centre:
            link = broker.link("car-1")
            await link.connect(connection=1, will=b"")
            await centre.subscribe("tcu/v1/+/up/event", qos=1)
            for topic in (f"{UP}/event", f"{DOWN}/grant", f"{OTHER_DOWN}/grant", "elsewhere"):
                await thief.publish(topic, b"forged", qos=1)
            await thief.publish(f"{OTHER_UP}/event", MARK, qos=1)
            assert await heard(centre) == []
            await centre.publish(f"{DOWN}/ack", MARK, qos=1)
            assert (await first(link)).payload == MARK
            await link.disconnect()

    play(tmp_path, body)


def test_a_will_is_held_to_the_same_rules(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        async with broker.client("centre-command") as centre:
            await centre.subscribe("tcu/v1/+/up/availability", qos=1)
            for topic, payload in (
                (f"{UP}/availability", b"forged"),
                (f"{OTHER_UP}/availability", MARK),
            ):
                will = aiomqtt.Will(topic, payload, qos=1)
                async with broker.client("car-2", will=will) as thief:
                    cut(thief)
                    with pytest.raises(aiomqtt.MqttError):
                        await anext(aiter(thief.messages))
            assert await heard(centre) == []

    play(tmp_path, body)


def test_a_car_cannot_take_over_the_session_of_another(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        link = broker.link("car-1")
        await link.connect(connection=1, will=b"")
        await link.disconnect()
        async with broker.client("centre-command") as centre:
            await centre.publish(f"{DOWN}/grant", b"waits for car-1", qos=1)
            for claimed in ("tcu-car-1", "car-1"):
                async with broker.client(
                    "car-2", identifier=claimed, clean_start=False, properties=_persistent()
                ) as thief:
                    await thief.subscribe(f"{OTHER_DOWN}/ack", qos=1)
                    await centre.publish(f"{OTHER_DOWN}/ack", MARK, qos=1)
                    assert await heard(thief) == []
        await link.connect(connection=2, will=b"")
        assert (await first(link)).payload == b"waits for car-1"
        await link.disconnect()

    play(tmp_path, body)


def test_two_cars_with_the_same_client_id_do_not_push_each_other_out(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        async with (
            broker.client("car-1", identifier="same") as one,
            broker.client("car-2", identifier="same") as two,
        ):
            await one.publish(f"{UP}/event", b"still here", qos=1)
            await two.publish(f"{OTHER_UP}/event", b"here too", qos=1)

    play(tmp_path, body)


def test_the_agent_with_another_cars_certificate_gets_and_says_nothing(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        liar = broker.link("car-2", speaks_as="car-1")
        async with broker.client("centre-command") as centre:
            await centre.subscribe("tcu/v1/+/up/event", qos=1)
            await liar.connect(connection=1, will=b"")
            with pytest.raises(PublicationRefusedError):
                await liar.publish("event", b"forged")
            async with broker.client("car-3") as other:
                await other.publish("tcu/v1/car-3/up/event", MARK, qos=1)
            assert await heard(centre) == []
        await liar.disconnect()

    play(tmp_path, body)


@pytest.mark.parametrize("qos", [0, 1])
def test_nothing_can_be_retained(tmp_path: Path, qos: int) -> None:
    async def body(broker: Site) -> None:
        async with broker.client("centre-command") as centre:
            with contextlib.suppress(aiomqtt.MqttError):
                await centre.publish(f"{DOWN}/grant", b"for ever", qos=qos, retain=True)
            with pytest.raises(aiomqtt.MqttError):
                await anext(aiter(centre.messages))
        link = broker.link("car-1")
        async with broker.client("centre-command") as centre:
            await link.connect(connection=1, will=b"")
            await centre.publish(f"{DOWN}/ack", MARK, qos=1)
            assert (await first(link)).payload == MARK
        await link.disconnect()

    play(tmp_path, body)


def test_each_service_of_the_centre_says_only_what_is_its_own(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        link = broker.link("car-1")
        await link.connect(connection=1, will=b"")
        messages = aiter(link.messages())
        may = {
            "centre-command": {"request", "grant", "call", "ack", "case-end", "trust"},
            "centre-account": {"account"},
            "centre-desk": {"position-ack", "case-end"},
        }
        every = set().union(*may.values()) | {"evidence"}
        for name, allowed in may.items():
            async with broker.client(name) as service:
                for word in sorted(every):
                    await service.publish(f"{DOWN}/{word}", name.encode(), qos=1)
            got = {(await anext(messages)).topic.rsplit("/", 1)[-1] for _ in allowed}
            assert got == allowed
        async with broker.client("centre-command") as centre:
            await centre.publish(f"{DOWN}/ack", MARK, qos=1)
        assert (await anext(messages)).payload == MARK
        await link.disconnect()

    play(tmp_path, body)


FLEET = 400


async def subscribed_and_gone(broker: Site) -> None:
    """The command service subscribes, and is away after that."""
    async with _centre(broker) as centre:
        await centre.subscribe("tcu/v1/+/up/+", qos=1)


async def heard_when_back(broker: Site) -> int:
    async with _centre(broker) as centre:
        await centre.subscribe("tcu/v1/+/up/+", qos=1)  # the mark comes, whatever was forgotten
        async with broker.client("car-2") as other:
            await other.publish(f"{OTHER_UP}/availability", MARK, qos=1)
        return len(await heard(centre))


def test_a_centre_that_was_away_hears_all_that_the_cars_said_meanwhile(tmp_path: Path) -> None:
    async def body(broker: Site) -> None:
        await subscribed_and_gone(broker)
        async with broker.client("car-1") as car:
            for number in range(FLEET):
                await car.publish(f"{UP}/availability", b"asleep %d" % number, qos=1)
        assert await heard_when_back(broker) == FLEET

    play(tmp_path, body)


def test_what_waits_outlives_a_restart_of_the_broker(tmp_path: Path) -> None:
    async def say(broker: Site) -> None:
        await subscribed_and_gone(broker)
        async with broker.client("car-1") as car:
            await car.publish(f"{UP}/event", b"alarm", qos=1)

    with restartable(tmp_path) as start:
        with start() as broker:
            asyncio.run(say(broker))
        with start() as broker:
            assert asyncio.run(heard_when_back(broker)) == 1


@pytest.mark.parametrize(("size", "passes"), [(65_536 + 200, True), (70_000, False)])
def test_nothing_longer_than_the_protocol_knows_gets_through(
    tmp_path: Path, size: int, passes: bool
) -> None:
    async def body(broker: Site) -> None:
        async with broker.client("centre-command") as centre:
            await centre.subscribe("tcu/v1/+/up/+", qos=1)
            with contextlib.suppress(aiomqtt.MqttError):  # who sends too much is cut off
                async with broker.client("car-1", timeout=2) as car:
                    await car.publish(f"{UP}/event", bytes(size))  # QoS 0: there is no answer
                    await car.publish(f"{UP}/event", b"", qos=1)
            async with broker.client("car-2") as other:
                await other.publish(f"{OTHER_UP}/event", MARK, qos=1)
            came = [len(payload) for _, payload in await heard(centre)]
        assert (size in came) is passes

    play(tmp_path, body)


def _centre(broker: Site) -> AbstractAsyncContextManager[aiomqtt.Client]:
    return broker.client("centre-command", clean_start=False, properties=_persistent())


def _persistent() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho gives it no types
    properties.SessionExpiryInterval = 3600
    return properties


@pytest.mark.parametrize(("guess", "stolen"), [("centre-4f1c9a02", True), ("centre", False)])
def test_only_who_knows_the_name_of_a_share_can_take_messages_away(
    tmp_path: Path, guess: str, stolen: bool
) -> None:
    """mosquitto asks its rules about a delivery, after the share has chosen a member: so the name has to be a secret.

    A thief reads nothing either way (the test above), but what it was chosen for reaches nobody at once.
    """

    async def body(broker: Site) -> None:
        everywhere = "tcu/v1/+/up/event"
        link = broker.link("car-1")
        async with broker.client("centre-command") as centre, broker.client("car-2") as thief:
            await centre.subscribe(f"$share/centre-4f1c9a02/{everywhere}", qos=1)
            await centre.subscribe("tcu/v1/car-1/up/result", qos=1)
            await thief.subscribe(f"$share/{guess}/{everywhere}", qos=1)
            await link.connect(connection=1, will=b"will")
            for number in range(10):
                await link.publish("event", bytes([number]))
            await link.publish("result", MARK)
            came = [payload for _, payload in await heard(centre)]
        assert (len(came) < 10) is stolen
        await link.disconnect()

    play(tmp_path, body)
