"""A link of 30 s each way, a hundred times faster: what docs/cloud-link.md advises for it connects, less does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig
from tcu_agent.errors import MqttTransportError
from tcu_sim.faults.proxy import Proxy
from tests.cloud.test_deploy_mosquitto import Site, site

FASTER = 100.0
DELAY_S = 30.0 / FASTER


@pytest.mark.parametrize(("timeout_s", "connects"), [(300, True), (120, False)])
def test_tls_and_connect_have_to_fit_into_the_timeout(
    tmp_path: Path, timeout_s: int, connects: bool
) -> None:
    async def main(broker: Site) -> None:
        async with Proxy(broker.port).running() as way:
            way.faults.delay_s = DELAY_S
            config = MqttConfig(
                host="127.0.0.1",
                port=way.port,
                client_id="tcu-car-1",
                tls=broker.tls("car-1"),
                timeout_s=timeout_s / FASTER,
            )
            link = MqttLink(config=config, vehicle_id="car-1")
            if not connects:
                with pytest.raises(MqttTransportError, match="does not answer"):
                    await link.connect(connection=1, will=b"")
            else:
                await link.connect(connection=1, will=b"")
            way.faults.delay_s = 0.0
            await link.disconnect()

    with site(tmp_path) as broker:
        asyncio.run(main(broker))
