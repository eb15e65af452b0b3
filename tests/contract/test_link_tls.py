"""TLS 1.3 with certificates on both sides against a real mosquitto; whatever is wrong with one is refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import MqttConfig, TlsConfig
from tcu_agent.errors import ConfigError, KeyStoreError, MqttTransportError
from tests.contract.certificates import Authority
from tests.contract.mosquitto import running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path, "authority")


@contextmanager
def broker(authority: Authority, certificate: tuple[Path, Path]) -> Iterator[int]:
    settings = (
        f"cafile {authority.file}\ncertfile {certificate[0]}\nkeyfile {certificate[1]}\n"
        f"require_certificate true\nuse_identity_as_username true\n"
    )
    with running(authority.folder, settings=settings) as started:
        yield started.port


def connect(port: int, tls: TlsConfig) -> None:
    async def main() -> None:
        config = MqttConfig(host="127.0.0.1", port=port, client_id="car-1", tls=tls, timeout_s=2)
        link = MqttLink(config=config, vehicle_id="car-1")
        await link.connect(connection=1, will=b"")
        await link.publish("event", b"x")
        await link.disconnect()

    asyncio.run(main())


def ours(authority: Authority) -> TlsConfig:
    certificate, key = authority.issue("car-1")
    return TlsConfig(ca=authority.file, certificate=certificate, key=key)


def test_both_sides_show_their_certificates(authority: Authority) -> None:
    with broker(authority, authority.issue("broker")) as port:
        connect(port, ours(authority))


def test_a_broker_that_another_authority_vouches_for_is_refused(authority: Authority) -> None:
    other = Authority.make(authority.folder, "other")
    with broker(authority, other.issue("broker")) as port:
        with pytest.raises(MqttTransportError, match="certificate verify failed") as caught:
            connect(port, ours(authority))
        assert not caught.value.temporary


def test_a_broker_with_another_name_is_refused(authority: Authority) -> None:
    with broker(authority, authority.issue("broker", address="192.0.2.1")) as port:
        with pytest.raises(MqttTransportError, match="IP address mismatch") as caught:
            connect(port, ours(authority))
        assert not caught.value.temporary


def test_a_broker_whose_certificate_has_expired_is_refused(authority: Authority) -> None:
    old = authority.issue("broker", age=timedelta(days=10))
    with broker(authority, old) as port:
        with pytest.raises(MqttTransportError, match="has expired") as caught:
            connect(port, ours(authority))
        assert caught.value.temporary, (
            "our clock may be the wrong one, and be set right at any moment"
        )


def test_an_older_tls_is_not_spoken(authority: Authority) -> None:
    async def main() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*authority.issue("broker"))
        server = await asyncio.start_server(_close, "127.0.0.1", 0, ssl=context)
        config = MqttConfig(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            client_id="car-1",
            tls=ours(authority),
        )
        with pytest.raises(MqttTransportError, match="SSL"):
            await MqttLink(config=config, vehicle_id="car-1").connect(connection=1, will=b"")
        server.close()
        await server.wait_closed()

    asyncio.run(main())


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def test_without_our_certificate_the_broker_does_not_take_us(authority: Authority) -> None:
    with broker(authority, authority.issue("broker")) as port:
        with pytest.raises(MqttTransportError, match=r"(?i)certificate required") as caught:
            connect(port, TlsConfig(ca=authority.file))
        assert not caught.value.temporary


def test_a_connection_that_breaks_off_in_the_handshake_is_no_refusal(authority: Authority) -> None:
    async def main() -> None:
        server = await asyncio.start_server(_close, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = MqttConfig(host="127.0.0.1", port=port, client_id="car-1", tls=ours(authority))
        with pytest.raises(MqttTransportError) as caught:
            await MqttLink(config=config, vehicle_id="car-1").connect(connection=1, will=b"")
        assert caught.value.temporary
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_key_that_others_can_read_is_refused(authority: Authority) -> None:
    tls = ours(authority)
    assert tls.key is not None
    tls.key.chmod(0o644)
    with pytest.raises(KeyStoreError, match=r"too open .*\(see \[mqtt.tls\] key\)$"):
        connect(1, tls)


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    tls, (_, other) = ours(authority), authority.issue("other")
    with pytest.raises(ConfigError, match="certificate and key"):
        connect(1, TlsConfig(ca=tls.ca, certificate=tls.certificate, key=other))


def test_a_missing_authority_file_is_refused(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        connect(1, TlsConfig(ca=tmp_path / "none.pem"))
