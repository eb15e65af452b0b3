"""Each step to the broker failing once, against a real mosquitto."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_agent.config import MqttConfig, TlsConfig
from tcu_agent.doctor.broker import examine_broker
from tcu_agent.doctor.findings import Finding, Level
from tests.contract.certificates import Authority
from tests.contract.mosquitto import free_port, running


def examined(config: MqttConfig, *, logs_in: bool = False) -> Sequence[Finding]:
    return asyncio.run(examine_broker(config, vehicle_id="car-1", logs_in=logs_in))


def plain(port: int) -> MqttConfig:
    return MqttConfig(host="127.0.0.1", port=port, client_id="car-1", timeout_s=5)


def test_all_is_well(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        found = examined(plain(broker.port))
    assert {each.level for each in found} == {Level.OK, Level.NOTE}
    assert found[-1].what == "may subscribe to tcu/v1/car-1/down/+"


def test_nobody_listens() -> None:
    (found,) = examined(plain(free_port()))
    assert found.level is Level.FAILURE
    assert "does the broker run" in found.advice


def test_a_name_that_does_not_exist() -> None:
    (found,) = examined(replace(plain(1883), host="broker.invalid"))
    assert found.level is Level.FAILURE
    assert "broker.invalid" in found.what


def test_a_name_that_is_none() -> None:
    (found,) = examined(replace(plain(1883), host="broker..example"))
    assert (found.level, "no host name" in found.what) == (Level.FAILURE, True)


@pytest.mark.parametrize("mode", [0o644, None])
def test_a_password_that_cannot_be_read_comes_after_what_worked(
    tmp_path: Path, mode: int | None
) -> None:
    file = tmp_path / "password"
    if mode is not None:
        file.write_text("secret\n")
        file.chmod(mode)
    with running(tmp_path) as broker:
        found = examined(replace(plain(broker.port), username="car-1", password_file=file))
    assert [each.level for each in found] == [Level.OK, Level.NOTE, Level.FAILURE]
    assert str(file) in found[-1].what


def test_one_whom_the_broker_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "passwords").touch(mode=0o600)
    settings = f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}\n"
    with running(tmp_path, settings=settings) as broker:
        found = examined(plain(broker.port))[-1]
    assert (found.level, "unknown there" in found.advice) == (Level.FAILURE, True)


def test_one_who_may_not_subscribe() -> None:
    # mosquitto's own ACL file is silent about subscriptions; others say no in these bytes (MQTT 5.0, 3.2 and 3.9).
    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(2):
            body = await reader.readexactly(head[1])
            if head[0] == 0x10:
                writer.write(bytes.fromhex("2003000000"))
            elif head[0] == 0x82:
                writer.write(bytes.fromhex("9004") + body[:2] + bytes.fromhex("0087"))
        writer.close()

    async def main() -> Sequence[Finding]:
        async with await asyncio.start_server(broker, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await examine_broker(plain(port), vehicle_id="car-1")

    found = asyncio.run(main())[-1]
    assert (found.level, "ACL" in found.advice) == (Level.FAILURE, True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path, "authority")


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        ("other authority", "authority of this broker"),
        ("stranger", "client certificate"),
    ],
)
@pytest.mark.parametrize("logs_in", [False, True])
def test_tls_says_which_side_is_wrong(
    authority: Authority, case: str, advice: str, *, logs_in: bool
) -> None:
    other = Authority.make(authority.folder, "other")
    server = authority.issue("broker")
    settings = f"cafile {authority.file}\ncertfile {server[0]}\nkeyfile {server[1]}\nrequire_certificate true\n"
    certificate, key = (other if case == "stranger" else authority).issue("car-1")
    ca = other.file if case == "other authority" else authority.file
    with running(authority.folder, settings=settings) as broker:
        tls = TlsConfig(ca=ca, certificate=certificate, key=key)
        found = examined(replace(plain(broker.port), tls=tls), logs_in=logs_in)
    assert found[-1].level is Level.FAILURE, found
    assert advice in found[-1].advice


def test_who_has_no_certificate_is_told_so_where_the_broker_wants_one(authority: Authority) -> None:
    server = authority.issue("broker")
    settings = f"cafile {authority.file}\ncertfile {server[0]}\nkeyfile {server[1]}\nrequire_certificate true\n"
    with running(authority.folder, settings=settings) as broker:
        found = examined(replace(plain(broker.port), tls=TlsConfig(ca=authority.file)))
    assert (found[-1].level, "CERTIFICATE_REQUIRED" in found[-1].what) == (Level.FAILURE, True)
    assert "[mqtt.tls] certificate and key are not set" in found[-1].advice


def test_one_who_says_nothing_after_the_handshake_has_not_taken_our_certificate(
    authority: Authority,
) -> None:
    async def main() -> Sequence[Finding]:
        held: list[asyncio.StreamWriter] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.issue("broker"))

        async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            held.append(writer)

        async with await asyncio.start_server(hold, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            certificate, key = authority.issue("car-1")
            tls = TlsConfig(ca=authority.file, certificate=certificate, key=key)
            config = replace(plain(port), tls=tls, timeout_s=0.5)
            try:
                return await examine_broker(config, vehicle_id="car-1")
            finally:
                for writer in held:
                    writer.close()

    judged, not_asked = asyncio.run(main())[-2:]
    assert (judged.level, "no word" in judged.what) == (Level.WARNING, True)
    assert not_asked.level is Level.NOTE
