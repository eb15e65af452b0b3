"""The file of the broker's password: what is wrong with it is told with the setting that names it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig
from tcu_agent.errors import KeyStoreError
from tcu_agent.runtime.connection import REFUSED_LEAST_S
from tests.contract.mosquitto import free_port
from tests.runtime.rig import Rig, play

SETTING = "(see [mqtt] password_file)"


def config(file: Path) -> MqttConfig:
    return MqttConfig(
        host="127.0.0.1",
        port=free_port(),
        client_id="car-1",
        username="car-1",
        password_file=file,
    )


@pytest.mark.parametrize(
    ("mode", "what"), [(None, "No such file or directory"), (0o644, "mode 0644 is too open")]
)
def test_a_link_that_cannot_read_it_names_its_setting(
    tmp_path: Path, mode: int | None, what: str
) -> None:
    file = tmp_path / "mqtt.password"
    if mode is not None:
        file.write_text("secret\n")
        file.chmod(mode)
    link = MqttLink(config=config(file), vehicle_id="car-1")
    told = f"^{re.escape(f'{file}: {what}')}.*{re.escape(SETTING)}$"
    with pytest.raises(KeyStoreError, match=told):
        asyncio.run(link.connect(connection=1, will=b""))


def test_the_status_line_does_not_blame_the_signing_key(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        real = MqttLink(config=config(tmp_path / "none"), vehicle_id="car-1")
        rig.link.connect = real.connect  # type: ignore[method-assign]  # one link of one test
        rig.start()
        await rig.wait_s(REFUSED_LEAST_S / 2)
        (said,) = [line for line in rig.supervisor.said if SETTING in line]
        assert "a key or password fails us, so not connected" in said

    play(body)
