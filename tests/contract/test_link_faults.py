"""What goes wrong on the way to a broker, and how the link says it."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tcu_agent.adapters.cloud.client import Client
from tcu_agent.adapters.cloud.mqtt import INBOUND_LIMIT_BYTES, INBOUND_QUEUE_MESSAGES, MqttLink
from tcu_agent.config.schema import MqttProtocol
from tcu_agent.errors import MqttTransportError, PublicationRefusedError
from tcu_sim.bench.ports import InMemoryBroker, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.contract.links import (
    DOWN,
    UP,
    config,
    first,
    peer_of,
    tiny_broker,
)
from tests.contract.mosquitto import Mosquitto, free_port, running


def test_an_unreachable_broker_is_worth_another_try() -> None:
    async def main() -> None:
        port = free_port()
        link = MqttLink(config=config(port), vehicle_id="car-1")
        with pytest.raises(MqttTransportError, match=f"^127.0.0.1:{port}: ") as caught:
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


@pytest.mark.parametrize(
    ("code", "temporary"),
    [
        *((code, False) for code in (0x87, 0x8C, 0x9D)),
        *((code, True) for code in (0x80, 0x83, 0x89, 0x8B, 0x8D, 0x8E, 0x97, 0x9C)),
    ],
)
def test_a_broker_that_ends_the_connection_says_whether_it_wants_us_back(
    code: int, temporary: bool
) -> None:
    """Many brokers answer a publication that is not allowed so, and take the next connection all the same."""

    async def main() -> None:
        async with tiny_broker(dismisses={0x30: code}) as port:
            link = MqttLink(config=config(port), vehicle_id="car-1")
            await link.connect(connection=1, will=b"")
            forbidden = asyncio.ensure_future(link.publish("event", b"x"))
            with pytest.raises(MqttTransportError, match=f"0x{code:02X}") as caught:
                await first(link)
            assert caught.value.temporary == temporary
            forbidden.cancel()
            with pytest.raises((MqttTransportError, asyncio.CancelledError)):
                await forbidden
            with pytest.raises(MqttTransportError, match=f"0x{code:02X}") as caught:
                await link.publish("event", b"x")
            assert caught.value.temporary == temporary
            await link.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("code", "temporary"),
    [
        *((code, False) for code in (0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9D)),
        *((code, True) for code in (0x80, 0x83, 0x88, 0x89, 0x97, 0x9C, 0x9F)),
    ],
)
def test_a_broker_that_takes_no_connection_says_whether_it_ever_will(
    code: int, temporary: bool
) -> None:
    async def main() -> None:
        async with tiny_broker(connack=code) as port:
            link = MqttLink(config=config(port), vehicle_id="car-1")
            with pytest.raises(MqttTransportError) as caught:
                await link.connect(connection=1, will=b"")
            assert caught.value.temporary == temporary

    asyncio.run(main())


def test_a_broker_that_ends_the_connection_over_the_subscription_does_not_want_us() -> None:
    async def main() -> None:
        async with tiny_broker(dismisses={0x80: 0x87}) as port:
            link = MqttLink(config=config(port, timeout_s=0.2), vehicle_id="car-1")
            with pytest.raises(MqttTransportError, match="0x87") as caught:
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


def test_a_refusal_that_nobody_waited_for_any_more_is_not_the_next_ones() -> None:
    """Of a publication that was given up; 65,535 publications later its number is another's."""

    async def main() -> None:
        client = Client("127.0.0.1", 1, connect_timeout_s=1.0)
        late = ReasonCode(PacketTypes.PUBACK, identifier=0x87)
        client._on_publish(client._client, None, 7, late, Properties(PacketTypes.PUBACK))  # type: ignore[no-untyped-call]  # paho gives it no types
        with client._pending_call(7, None, {}):
            pass
        with pytest.raises(PublicationRefusedError), client._pending_call(7, None, {}):
            client._refusals[7] = late

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


def test_a_flood_is_dropped_without_a_word_and_the_link_lives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(broker: Mosquitto) -> None:
        link = MqttLink(config=config(broker.port), vehicle_id="car-1")
        async with peer_of(broker) as peer:
            await link.connect(connection=1, will=b"")
            for number in range(3 * INBOUND_QUEUE_MESSAGES):
                await peer.publish(f"{DOWN}/request", b"%d" % number)
            await link.publish("event", b"still here")
            assert await peer.next() == (f"{UP}/event", b"still here")
            messages = aiter(link.messages())
            kept = [(await anext(messages)).payload for _ in range(INBOUND_QUEUE_MESSAGES)]
            assert kept == [b"%d" % number for number in range(INBOUND_QUEUE_MESSAGES)]
            await peer.publish(f"{DOWN}/request", b"after the flood")
            assert (await anext(messages)).payload == b"after the flood"
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker))
    assert [record for record in caplog.records if record.name == "mqtt"] == []


def test_a_loss_that_nobody_was_waiting_for_leaves_no_forgotten_exception(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(broker: Mosquitto) -> None:
        link = MqttLink(config=config(broker.port), vehicle_id="car-1")
        await link.connect(connection=1, will=b"")
        assert link._client is not None
        lost = link._client._disconnected
        broker.kill()
        await asyncio.wait([lost])
        await link.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker))
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("turns", range(5))
def test_a_cancellation_that_comes_together_with_the_answer_is_not_lost(turns: int) -> None:
    """asyncio.wait_for of Python 3.11 would lose it, and the agent would never end."""

    async def turn(times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def main() -> None:
        async with tiny_broker() as port:
            link = MqttLink(config=config(port), vehicle_id="car-1")
            await link.connect(connection=1, will=b"")
            assert link._client is not None
            publishing = asyncio.create_task(link.publish("event", b"x"))
            await turn(3)
            (answer,) = link._client._pending_publishes.values()
            answer.set()
            await turn(turns)
            if publishing.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await publishing
            await link.disconnect()

    asyncio.run(main())


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


CANCELLED_WHILE_CONNECTING = """
import asyncio, contextlib, socket, threading
import paho.mqtt.client as paho
from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig

# Not a server of the loop's: what it had begun to accept at the end would be a traceback of its own.
broker = socket.create_server(("127.0.0.1", 0))

async def main():
    link = MqttLink(config=MqttConfig(host="127.0.0.1", port=broker.getsockname()[1],
                                      client_id="tcu-car-1"), vehicle_id="car-1")
    create, go, came = paho.Client._create_socket, threading.Event(), threading.Event()
    def late(self):
        came.set()
        go.wait()
        return create(self)
    paho.Client._create_socket = late
    task = asyncio.create_task(link.connect(connection=1, will=b""))
    await asyncio.to_thread(came.wait)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    go.set()

asyncio.run(main())
broker.setblocking(False)
with contextlib.suppress(BlockingIOError):
    caller, _ = broker.accept()
    caller.setblocking(False)
    print("the broker heard", len(caller.recv(1)))
print("ended")
"""


def test_who_ends_while_connecting_says_nothing_more_and_leaves_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CANCELLED_WHILE_CONNECTING],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "ended"
    assert "the broker heard 1" not in done.stdout, "a CONNECT of a client that was given up"
