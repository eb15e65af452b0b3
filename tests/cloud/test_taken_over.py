"""Two clients with one client id throw each other out in turns: what the link knows of it, with real brokers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config.schema import MqttProtocol
from tcu_agent.errors import (
    SESSION_TAKEN_OVER,
    ConnectionEndedError,
    MqttTransportError,
)
from tests.contract.links import config, first, tiny_broker
from tests.contract.mosquitto import running


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_second_login_with_our_client_id_ends_our_connection(
    tmp_path: Path, protocol: MqttProtocol
) -> None:
    """mosquitto 2.0.11 closes it without a word, and MQTT 3.1.1 knows none; others say 0x8E."""

    async def main(port: int) -> None:
        ours, other = (
            MqttLink(config=config(port, protocol), vehicle_id="car-1") for _ in range(2)
        )
        await ours.connect(connection=1, will=b"")
        listening = asyncio.ensure_future(first(ours))
        await other.connect(connection=1, will=b"")
        with pytest.raises(ConnectionEndedError) as caught:
            await listening
        assert caught.value.reason_code in {None, SESSION_TAKEN_OVER}
        assert caught.value.temporary
        await other.disconnect()
        await ours.disconnect()

    with running(tmp_path) as broker:
        asyncio.run(main(broker.port))


def test_a_broker_that_says_so_is_understood() -> None:
    async def main() -> None:
        async with tiny_broker(dismisses={0x30: SESSION_TAKEN_OVER}) as port:
            link = MqttLink(config=config(port), vehicle_id="car-1")
            await link.connect(connection=1, will=b"")
            publishing = asyncio.ensure_future(link.publish("event", b"x"))
            with pytest.raises(ConnectionEndedError) as caught:
                await first(link)
            assert caught.value.reason_code == SESSION_TAKEN_OVER
            assert caught.value.temporary
            publishing.cancel()
            with pytest.raises((MqttTransportError, asyncio.CancelledError)):
                await publishing
            await link.disconnect()

    asyncio.run(main())


def test_a_link_that_dies_in_silence_is_nobodys_doing() -> None:
    """The broker of a few lines answers no PINGREQ."""

    async def main() -> None:
        async with tiny_broker() as port:
            link = MqttLink(config=config(port, keepalive_s=1), vehicle_id="car-1")
            await link.connect(connection=1, will=b"")
            with pytest.raises(MqttTransportError) as caught:
                await first(link)
            assert not isinstance(caught.value, ConnectionEndedError)
            await link.disconnect()

    asyncio.run(main())
