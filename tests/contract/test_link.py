"""aiomqtt on a real mosquitto, in both versions of MQTT, and the bench's broker keep the same promises."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config.schema import MqttProtocol
from tcu_agent.errors import MqttTransportError, PublicationRefusedError
from tcu_agent.ports import Inbound, LinkPort
from tcu_sim.bench.ports import InMemoryBroker, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.contract.links import (
    DOWN,
    UP,
    Body,
    InMemoryPeer,
    Peer,
    Play,
    config,
    first,
    peer_of,
    subscribe_and_leave,
)
from tests.contract.mosquitto import Mosquitto, free_port, running


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


def test_the_broker_says_whether_it_has_kept_our_session(play: Play) -> None:
    async def body(link: LinkPort, peer: Peer) -> None:
        assert not await link.connect(connection=1, will=b"will")
        await link.disconnect()
        assert await link.connect(connection=2, will=b"will")
        peer.cut(link)
        await link.disconnect()
        assert await link.connect(connection=3, will=b"will")

    play(body)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_comes_back_without_its_store_has_lost_it(
    tmp_path: Path, protocol: MqttProtocol
) -> None:
    async def body(link: LinkPort) -> None:
        assert not await link.connect(connection=1, will=b"will")
        await link.publish("event", b"\x01")

    async def on(port: int) -> None:
        link = MqttLink(config=config(port, protocol), vehicle_id="car-1")
        await body(link)
        await link.disconnect()

    async def in_memory() -> None:
        broker = InMemoryBroker(clock=SimulatedClock())
        link = broker.link("car-1")
        for _ in range(2):
            await body(link)
            broker.forget()

    port = free_port()
    for _ in range(2):
        with running(tmp_path, port=port) as broker:
            asyncio.run(on(broker.port))
            broker.kill()
    run_simulated(in_memory())


@pytest.mark.parametrize("protocol", ["5", "3.1.1", None])
def test_the_broker_says_that_it_has_nobody_where_the_version_can(
    tmp_path: Path, protocol: MqttProtocol | None
) -> None:
    """MQTT 3.1.1 has no words for it; a subscriber that is away, and whose session is kept, is somebody."""

    async def body(link: LinkPort, *, says: bool) -> None:
        await link.connect(connection=1, will=b"will")
        assert await link.publish("event", b"\x01") is says

    async def real(port: int, protocol: MqttProtocol) -> None:
        link = MqttLink(config=config(port, protocol), vehicle_id="car-1")
        await body(link, says=protocol == "5")
        await subscribe_and_leave(port)
        assert not await link.publish("event", b"\x02")
        await link.disconnect()

    async def in_memory() -> None:
        broker = InMemoryBroker(clock=SimulatedClock())
        link = broker.link("car-1")
        broker.has_nobody = True
        await body(link, says=True)
        broker.has_nobody = False
        assert not await link.publish("event", b"\x02")

    if protocol is None:
        run_simulated(in_memory())
        return
    with running(tmp_path) as broker:
        asyncio.run(real(broker.port, protocol))


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


def test_a_publication_that_the_broker_refuses_is_no_delivery_and_the_link_holds(
    tmp_path: Path,
) -> None:
    """MQTT 5 only: with 3.1.1 a broker has no way to say it, and the centre's acknowledgement stays out instead."""

    async def body(link: LinkPort) -> None:
        await link.connect(connection=1, will=b"will")
        with pytest.raises(PublicationRefusedError) as caught:
            await link.publish("event", b"\x01")
        assert caught.value.reason_code == 0x87
        assert not caught.value.may_have_happened
        await link.publish("result", b"\x02")

    async def real(port: int) -> None:
        link = MqttLink(config=config(port, "5"), vehicle_id="car-1")
        await body(link)
        await link.disconnect()

    async def in_memory() -> None:
        broker = InMemoryBroker(clock=SimulatedClock())
        broker.refused_types.add("event")
        await body(broker.link("car-1"))

    rules = tmp_path / "acl"
    rules.write_text(f"topic write {UP}/result\ntopic read {DOWN}/+\n")
    with running(tmp_path, settings=f"acl_file {rules}\n") as broker:
        asyncio.run(real(broker.port))
    run_simulated(in_memory())
