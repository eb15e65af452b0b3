"""The enrolled vehicle at a real broker: its certificate lets it in, and after a renewal the new one does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import Config
from tests.contract.mosquitto import running
from tests.enrolment.bench import CAR, Bench


def connect(link: MqttLink, number: int) -> None:
    async def main() -> None:
        await link.connect(connection=number, will=b"")
        await link.publish("event", b"x")
        await link.disconnect()

    asyncio.run(main())


def link_of(config: Config, port: int) -> MqttLink:
    return MqttLink(config=replace(config.mqtt, port=port, timeout_s=5), vehicle_id=CAR)


def test_the_link_takes_up_a_renewed_certificate_by_itself(enrolled: Bench, tmp_path: Path) -> None:
    authority = enrolled.service.authority
    certificate, key = authority.server_files("127.0.0.1")
    settings = (
        f"cafile {authority.directory / 'ca.pem'}\ncertfile {certificate}\nkeyfile {key}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
    )
    with running(tmp_path, settings=settings) as broker:
        link = link_of(enrolled.config, broker.port)
        connect(link, 1)
        enrolled.lasting(365)
        assert enrolled.enrol(is_forced=True).is_new
        # What the link used before is gone: only the new identity is left to it.
        for file in (enrolled.folder / "identity" / "1").iterdir():
            file.unlink()
        connect(link, 2)
