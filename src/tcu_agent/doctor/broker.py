"""The way to the broker, step by step, so that the step that fails has a name: address, port, TLS, MQTT, topics.

The last two need a login, and that may cost the agent its session: a broker may know a vehicle by its certificate or
user name, whatever client id it is told (the shipped one does). Then a second login ends the agent's connection, and a
clean one erases what waits for the vehicle. So who shows either is logged in only where somebody asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Sequence

import aiomqtt

from tcu_agent.adapters.cloud.password import read_password
from tcu_agent.adapters.cloud.tls import ClientContext, client_context
from tcu_agent.adapters.cloud.verdict import Verdict, verdict_on
from tcu_agent.config import MqttConfig, TlsConfig
from tcu_agent.doctor.findings import Finding, failure, note, ok, warning
from tcu_agent.errors import BadInput, KeyStoreError

_FIRST_FAILURE_CODE = 128
"""Source: MQTT 5.0, 2.4 Reason Code."""


async def examine_broker(
    config: MqttConfig, *, vehicle_id: str, logs_in: bool = False
) -> Sequence[Finding]:
    """Return how far one gets. Nothing is published, and the agent's own session is left alone.

    `logs_in`: in any case, though that session may be the price.
    """
    where = f"{config.host}:{config.port}"
    found: list[Finding] = []
    try:
        found.append(await _reach(config, where))
        if config.tls is None:
            found.append(note("broker", "no TLS: plain text"))
        else:
            found.append(await _shake_hands(config))
        if _shows_certificate(config):
            found.append(await _judged(config))
        password = _password(config)
        if logs_in or _is_known_by_client_id(config):
            found.extend(await _log_in(config, vehicle_id, password))
        else:
            found.append(_not_asked())
    except _Stuck as stuck:
        found.append(stuck.finding)
    return tuple(found)


class _Stuck(Exception):
    """The step that failed; what comes after it cannot be tried."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


async def _reach(config: MqttConfig, where: str) -> Finding:
    started = time.monotonic()
    try:
        async with asyncio.timeout(config.timeout_s):
            _, writer = await asyncio.open_connection(config.host, config.port)
    except socket.gaierror as error:
        advice = (
            "is the name right, is there a DNS server (/etc/resolv.conf), is the modem on line?"
        )
        raise _Stuck(failure("broker", f"{config.host}: {error.strerror}", advice)) from error
    except UnicodeError as error:  # such as two dots in a row: it never gets as far as DNS
        told = f"{config.host!r} is no host name: {error}"
        raise _Stuck(failure("broker", told, "see [mqtt] host")) from error
    except TimeoutError as error:
        advice = "a firewall drops it, the modem has no data connection, or the address is wrong"
        finding = failure("broker", f"{where}: no answer in {config.timeout_s:g} s", advice)
        raise _Stuck(finding) from error
    except OSError as error:
        advice = "does the broker run, and listen on this port?"
        raise _Stuck(failure("broker", f"{where}: {error.strerror or error}", advice)) from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ok("broker", f"{where} answers in {(time.monotonic() - started) * 1000:.0f} ms")


async def _shake_hands(config: MqttConfig) -> Finding:
    assert config.tls is not None  # noqa: S101 - for mypy; the caller asked
    try:
        context = client_context(config.tls)
        async with asyncio.timeout(config.timeout_s):
            _, writer = await asyncio.open_connection(config.host, config.port, ssl=context)
    except (BadInput, KeyStoreError) as error:
        raise _Stuck(failure("broker", str(error), "`tcu-agent check` says more")) from error
    except ssl.SSLCertVerificationError as error:
        advice = (
            "is [mqtt.tls] ca the authority of this broker, does its certificate carry this host name, "
            "and is the clock right?"
        )
        told = f"the broker's certificate: {error.verify_message}"
        raise _Stuck(failure("broker", told, advice)) from error
    except (OSError, TimeoutError) as error:
        advice = "does the broker speak TLS 1.3 on this port?"
        raise _Stuck(failure("broker", f"no TLS: {str(error) or 'no answer'}", advice)) from error
    cipher = writer.get_extra_info("cipher")
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    return ok("broker", f"TLS: {cipher[1]}, {cipher[0]}")


def _shows_certificate(config: MqttConfig) -> bool:
    return config.tls is not None and config.tls.certificate is not None


def _is_known_by_client_id(config: MqttConfig) -> bool:
    """Whether the broker has nothing else to know us by, so that another client id is another session."""
    return config.username is None and not _shows_certificate(config)


async def _judged(config: MqttConfig) -> Finding:
    """Return what the broker makes of our certificate: with TLS 1.3 it says so after the handshake."""
    assert config.tls is not None  # noqa: S101 - for mypy; the caller asked
    context = client_context(config.tls)
    verdict = await asyncio.to_thread(verdict_on, context, config)
    if context.refusal is not None:
        raise _Stuck(_alerted(config, context.refusal))
    if verdict is Verdict.NO_BROKER:
        advice = "are [mqtt] host and port those of MQTT over TLS, not of a web page or of MQTT over WebSocket?"
        raise _Stuck(failure("broker", "TLS: this is no MQTT broker: it answers otherwise", advice))
    if verdict is Verdict.HUNG_UP:
        what = "TLS: it hung up: our certificate is not refused, but not taken either"
        advice = "is the broker behind a proxy away, or does it limit connections? Its log says why"
        return warning("broker", what, advice)
    if verdict is Verdict.TAKEN:
        return await _compared(config, context)
    return _no_word()


async def _compared(config: MqttConfig, context: ClientContext) -> Finding:
    """Return whether our certificate is what we are let in for: who shows none must be refused."""
    assert config.tls is not None  # noqa: S101 - for mypy; the caller asked
    bare = client_context(TlsConfig(ca=config.tls.ca))
    verdict = await asyncio.to_thread(verdict_on, bare, config)
    if verdict is Verdict.HUNG_UP and await _is_taken_again(config, context):
        verdict = Verdict.REFUSED  # without an alert, as by some proxies
    if verdict is Verdict.REFUSED:
        return ok("broker", "TLS: our certificate is taken")
    if verdict is not Verdict.TAKEN:
        return _no_word()
    what = "TLS: our certificate is not refused, but who shows none is treated alike"
    advice = "nothing says that the broker asks for one: to know vehicles by it, it must (require_certificate true)"
    return warning("broker", what, advice)


async def _is_taken_again(config: MqttConfig, context: ClientContext) -> bool:
    """Whether ours still is, so that who came in between was not turned away for coming too often."""
    return await asyncio.to_thread(verdict_on, context, config) is Verdict.TAKEN


def _no_word() -> Finding:
    advice = "the agent's log says what becomes of its own attempts"
    return warning("broker", "TLS: no word on whether our certificate is taken", advice)


def _not_asked() -> Finding:
    what = (
        "not asked: whether we may log in, and subscribe. The broker may know the vehicle by its certificate or user "
        "name; then a second login ends the agent's connection and erases what waits for the vehicle"
    )
    advice = (
        "the agent's log says `connected`, `link-refused` or `session-taken-over` (another client has our client id); "
        "--log-in asks, at that price"
    )
    return note("broker", what, advice)


async def _log_in(config: MqttConfig, vehicle_id: str, password: str | None) -> list[Finding]:
    is_v5 = config.protocol == "5"
    context = None if config.tls is None else client_context(config.tls)
    client = aiomqtt.Client(
        config.host,
        config.port,
        # With the agent's own id any broker would end the agent's connection.
        identifier=f"{config.client_id}-doctor",
        username=config.username,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311,
        clean_session=None if is_v5 else True,
        timeout=config.timeout_s,
        tls_context=context,
    )
    topic_filter = f"tcu/v1/{vehicle_id}/down/+"
    try:
        async with client:
            codes = await client.subscribe(topic_filter, qos=1)
    except aiomqtt.MqttError as error:
        alert = None if context is None else context.refusal
        return [_refused(error) if alert is None else _alerted(config, alert)]
    found = [ok("broker", f"MQTT {config.protocol}: let in")]
    if any(_number(code) >= _FIRST_FAILURE_CODE for code in codes):
        advice = "the broker's ACL must let this vehicle subscribe to its own down topics"
        return [*found, failure("broker", f"may not subscribe to {topic_filter}", advice)]
    return [*found, ok("broker", f"may subscribe to {topic_filter}")]


def _password(config: MqttConfig) -> str | None:
    try:
        return read_password(config)
    except KeyStoreError as error:
        raise _Stuck(failure("broker", str(error), "`tcu-agent check` says more")) from error


def _alerted(config: MqttConfig, alert: ssl.SSLError) -> Finding:
    advice = "the broker refuses our client certificate: expired, or of an authority that it does not know?"
    if not _shows_certificate(config):
        advice = "the broker asks for a certificate, and [mqtt.tls] certificate and key are not set"
    return failure("broker", f"TLS: {alert.reason}", advice)


def _refused(error: aiomqtt.MqttError) -> Finding:
    text = str(error).lower()
    if "not authori" in text or "user name" in text:
        return failure(
            "broker",
            f"MQTT: {error}",
            "certificate, user name or password are unknown there; or the broker takes only the agent's own client id",
        )
    return failure("broker", f"MQTT: {str(error) or 'no answer'}", "the broker's log says why")


def _number(code: object) -> int:
    return int(getattr(code, "value", code))  # type: ignore[call-overload, no-any-return]  # ReasonCode or int
