"""Whether a serial adapter may be opened, and whether the service may read its secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcu_agent.config import BusConfig, Config, load
from tcu_agent.doctor.access import examine_device, examine_owners, secrets_of
from tcu_agent.doctor.findings import Finding, Level
from tests.runtime.files import ROOTS, minimal


def device(channel: str, devices: Path) -> list[Finding]:
    bus = BusConfig(name="body", interface="slcan", channel=channel)
    return list(examine_device(bus, devices=devices))


def test_a_serial_adapter_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "ttyACM0").touch()
    (found,) = device(f"{tmp_path}/ttyACM0@115200", tmp_path)
    assert found.level is Level.OK


def test_a_wrong_name_of_a_serial_adapter_is_answered_with_those_that_are_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "ttyUSB3").touch()
    (found,) = device(f"{tmp_path}/ttyACM0", tmp_path)
    assert found.level is Level.FAILURE
    assert found.advice.endswith(f"there is: {tmp_path}/ttyUSB3")


def test_a_serial_adapter_that_is_not_for_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ttyACM0").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may open everything
    (found,) = device(f"{tmp_path}/ttyACM0", tmp_path)
    assert found.level is Level.FAILURE
    assert f"SupplementaryGroups={(tmp_path / 'ttyACM0').group()}" in found.advice


@pytest.mark.parametrize("channel", ["can-bus/tcu", "/run/can-bus/tcu", "/dev/pts/9999"])
def test_of_a_pseudo_terminal_that_is_not_there_dmesg_would_say_nothing(
    channel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = device(channel, Path("/dev"))
    assert (found.level, found.ends) == (Level.FAILURE, True)
    assert "start what makes it first (such as tcu-sim bus)" in found.advice
    assert "dmesg" not in found.advice
    assert (str(tmp_path) in found.advice) is (channel == "can-bus/tcu")


def test_a_relative_path_is_looked_for_where_the_agent_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "can-bus").mkdir()
    (tmp_path / "can-bus" / "tcu").touch()
    (found,) = device("can-bus/tcu", Path("/dev"))
    assert found.level is Level.OK
    assert not device("socket://bench:3333", Path("/dev"))


def test_a_channel_that_is_no_file_is_not_looked_for(tmp_path: Path) -> None:
    assert not device("PCAN_USBBUS1", tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "roots.toml").write_text(ROOTS)
    (tmp_path / "tcu.toml").write_text(minimal())
    config = load(tmp_path / "tcu.toml")
    config.state_directory.mkdir(exist_ok=True)
    for file in secrets_of(config):
        file.write_text("secret")
    return config


def owners(config: Config, *, root: int) -> list[Finding]:
    """Let this user ask as if it were root, whose number is `root`."""
    return list(examine_owners(config, user=lambda: root, root=root))


def test_who_is_not_root_sees_for_himself(config: Config) -> None:
    assert not list(examine_owners(config, user=lambda: 5, root=0))


def test_root_is_told_that_the_service_may_not_what_he_may(config: Config) -> None:
    (found,) = owners(config, root=config.state_directory.stat().st_uid)
    assert (found.level, "sudo -u" in found.advice) == (Level.NOTE, True)


def test_secrets_of_the_services_user_are_well(config: Config) -> None:
    (found,) = owners(config, root=config.state_directory.stat().st_uid + 1)
    assert found.level is Level.OK


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_of_somebody_else_is_a_failure(config: Config) -> None:
    os.chown(config.state_directory, 4711, -1)
    found = owners(config, root=0)
    assert [each.level for each in found] == [Level.FAILURE] * len(secrets_of(config))
    assert found[0].advice == f"chown 4711 {secrets_of(config)[0]}"
