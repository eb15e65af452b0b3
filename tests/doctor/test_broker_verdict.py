"""What the doctor says of our certificate: taken only where the broker has shown that it looks at certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_agent.adapters.cloud.verdict import Verdict, broker_verdict
from tcu_agent.config import MqttConfig, TlsConfig
from tcu_agent.doctor.broker import examine_broker
from tcu_agent.doctor.findings import Finding, Level
from tests.contract.certificates import Authority
from tests.contract.mosquitto import running

_FOURTH = 4
"""After the handshake, ours, and the one without a certificate."""
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path, "authority")


def config_of(authority: Authority, port: int) -> MqttConfig:
    certificate, key = authority.issue("car-1")
    tls = TlsConfig(ca=authority.file, certificate=certificate, key=key)
    plain = MqttConfig(host="127.0.0.1", port=port, client_id="car-1", timeout_s=5)
    return replace(plain, tls=tls)


def judged_by_mosquitto(authority: Authority, *, settings: str) -> Finding:
    """Return the finding about our certificate, which comes after those about the port and TLS."""
    certificate, key = authority.issue("broker")
    files = f"cafile {authority.file}\ncertfile {certificate}\nkeyfile {key}\n"
    with running(authority.folder, settings=files + settings) as broker:
        config = config_of(authority, broker.port)
        return asyncio.run(examine_broker(config, vehicle_id="car-1"))[2]


async def _hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """A proxy whose broker is away."""


async def _hang_up_on_a_packet(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """A broker behind a proxy that asks for no certificate."""
    await reader.readexactly(2)


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _disconnect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(2)
    writer.write(bytes.fromhex("e00182"))  # DISCONNECT, protocol error


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(2)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example\r\n")


def _proxy(*, has_room: bool) -> Serve:
    """A proxy that hangs up on who shows no certificate, without an alert; and, if it has no room, on the fourth."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        if writer.get_extra_info("peercert") and (has_room or count < _FOURTH):
            await _disconnect(reader, writer)

    return serve


async def with_server(
    authority: Authority, serve: Serve, ask: Callable[[MqttConfig], Awaitable[object]]
) -> object:
    """Ask about a server with TLS that takes a certificate, and who shows none too."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(*authority.issue("broker"))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a look at the handshake alone
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        return await ask(config_of(authority, server.sockets[0].getsockname()[1]))


def found_at(authority: Authority, serve: Serve) -> Sequence[Finding]:
    async def ask(config: MqttConfig) -> object:
        return await examine_broker(config, vehicle_id="car-1")

    found = asyncio.run(with_server(authority, serve, ask))
    assert isinstance(found, tuple)
    return found


def test_a_broker_that_refuses_who_shows_none_has_taken_ours(authority: Authority) -> None:
    found = judged_by_mosquitto(authority, settings="require_certificate true\n")
    assert (found.level, found.what) == (Level.OK, "TLS: our certificate is taken")


def test_a_broker_that_lets_in_who_shows_none_has_not_judged_ours(authority: Authority) -> None:
    found = judged_by_mosquitto(authority, settings="allow_anonymous true\n")
    assert (found.level, "not refused" in found.what) == (Level.WARNING, True)
    assert "require_certificate" in found.advice


@pytest.mark.parametrize("serve", [_hang_up, _reset])
def test_who_hangs_up_before_we_say_anything_has_neither_refused_nor_taken_us(
    authority: Authority, serve: Serve
) -> None:
    judged, not_asked = found_at(authority, serve)[-2:]
    assert (judged.level, "it hung up" in judged.what) == (Level.WARNING, True)
    assert "proxy" in judged.advice
    assert not_asked.level is Level.NOTE


@pytest.mark.parametrize("serve", [_hang_up_on_a_packet, _disconnect])
def test_who_never_asked_for_a_certificate_has_not_taken_it(
    authority: Authority, serve: Serve
) -> None:
    judged = found_at(authority, serve)[-2]
    assert (judged.level, "who shows none" in judged.what) == (Level.WARNING, True)


def test_a_proxy_that_hangs_up_on_who_shows_none_has_taken_ours(authority: Authority) -> None:
    judged = found_at(authority, _proxy(has_room=True))[-2]
    assert (judged.level, judged.what) == (Level.OK, "TLS: our certificate is taken")


def test_who_hangs_up_because_we_come_too_often_has_not_judged_ours(authority: Authority) -> None:
    judged = found_at(authority, _proxy(has_room=False))[-2]
    assert (judged.level, "no word" in judged.what) == (Level.WARNING, True)


@pytest.mark.parametrize("serve", [_web, _greet])
def test_what_answers_otherwise_is_no_broker_and_nobody_logs_in(
    authority: Authority, serve: Serve
) -> None:
    found = found_at(authority, serve)[-1]
    assert (found.level, "no MQTT broker" in found.what) == (Level.FAILURE, True)
    assert "host and port" in found.advice


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (_hang_up, Verdict.HUNG_UP),
        (_reset, Verdict.HUNG_UP),
        (_web, Verdict.NO_BROKER),
        (_disconnect, Verdict.TAKEN),
    ],
)
def test_the_verdict_itself(authority: Authority, serve: Serve, expected: Verdict) -> None:
    async def ask(config: MqttConfig) -> object:
        assert config.tls is not None
        assert config.tls.certificate is not None
        assert config.tls.key is not None
        return await asyncio.to_thread(
            broker_verdict, config, certificate=config.tls.certificate, key=config.tls.key
        )

    assert asyncio.run(with_server(authority, serve, ask)) is expected
