"""Beside the agent, at brokers that know a vehicle by its certificate or user name: its session is left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiomqtt
import pytest

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig
from tcu_agent.doctor.broker import examine_broker
from tcu_agent.doctor.findings import Finding, Level
from tests.cloud.test_deploy_mosquitto import MARK, heard, play, site
from tests.cloud.test_deploy_mosquitto import Site as Shipped
from tests.contract.links import DOWN, first
from tests.contract.mosquitto import running

CAR = "car-1"


def of_shipped(broker: Shipped) -> MqttConfig:
    return MqttConfig(
        host="127.0.0.1", port=broker.port, client_id="tcu-car-1", tls=broker.tls(CAR), timeout_s=5
    )


async def examined(config: MqttConfig, *, logs_in: bool = False) -> tuple[Finding, ...]:
    return tuple(await examine_broker(config, vehicle_id=CAR, logs_in=logs_in))


def test_the_agent_at_the_shipped_broker_stays_connected_and_no_will_is_told(
    tmp_path: Path,
) -> None:
    async def body(broker: Shipped) -> None:
        config = of_shipped(broker)
        link = MqttLink(config=config, vehicle_id=CAR)
        async with broker.client("centre-command") as centre:
            await centre.subscribe("tcu/v1/+/up/availability", qos=1)
            await link.connect(connection=1, will=b"will of car-1")
            found = await examined(config)
            await centre.publish(f"{DOWN}/ack", MARK, qos=1)
            assert (await first(link)).payload == MARK
            await link.publish("availability", MARK)
            assert await heard(centre) == []
        assert {each.level for each in found} == {Level.OK, Level.NOTE}
        await link.disconnect()

    play(tmp_path, body)


def test_what_waits_at_the_shipped_broker_for_a_car_that_sleeps_still_waits(tmp_path: Path) -> None:
    async def body(broker: Shipped) -> None:
        config = of_shipped(broker)
        link = MqttLink(config=config, vehicle_id=CAR)
        await link.connect(connection=1, will=b"")
        await link.disconnect()
        async with broker.client("centre-command") as centre:
            await centre.publish(f"{DOWN}/request", b"waits for car-1", qos=1)
            await examined(config)
            await link.connect(connection=2, will=b"")
            await centre.publish(f"{DOWN}/ack", MARK, qos=1)
            assert (await first(link)).payload == b"waits for car-1"
        await link.disconnect()

    play(tmp_path, body)


def test_at_one_that_knows_us_by_our_user_name_too(tmp_path: Path) -> None:
    async def main(port: int) -> None:
        config = MqttConfig(
            host="127.0.0.1", port=port, client_id="tcu-car-1", username=CAR, timeout_s=5
        )
        link = MqttLink(config=config, vehicle_id=CAR)
        await link.connect(connection=1, will=b"")
        found = await examined(config)
        async with aiomqtt.Client("127.0.0.1", port, username="centre") as centre:
            await centre.publish(f"{DOWN}/ack", MARK, qos=1)
        assert (await first(link)).payload == MARK
        assert "not asked" in found[-1].what
        await link.disconnect()

    with running(tmp_path, settings="use_username_as_clientid true\n") as broker:
        asyncio.run(main(broker.port))


@pytest.mark.parametrize("logs_in", [False, True])
def test_what_is_not_asked_is_said_and_asked_where_somebody_wants_it(
    tmp_path: Path, *, logs_in: bool
) -> None:
    with site(tmp_path) as broker:
        found = asyncio.run(examined(of_shipped(broker), logs_in=logs_in))
    told = [(each.level, each.what) for each in found]
    assert (Level.OK, "TLS: our certificate is taken") in told
    if logs_in:
        assert told[-1] == (Level.OK, f"may subscribe to {DOWN}/+")
    else:
        level, what = told[-1]
        assert (level, what.startswith("not asked: whether we may log in")) == (Level.NOTE, True)
        assert "--log-in" in found[-1].advice
