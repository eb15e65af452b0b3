"""The link to the broker: one aiomqtt client a connection, MQTT 5 or 3.1.1 as configured, never a downgrade.

What aiomqtt does that the rest has to live with: it acknowledges a message before anybody has looked at it
(so a crash may lose what the centre then sends again), and it queues nothing while offline (so the outbox is
ours).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tcu_agent.adapters.cloud.client import (
    FIRST_FAILURE_CODE,
    NO_MATCHING_SUBSCRIBERS,
    Client,
    Inbox,
    number,
)
from tcu_agent.adapters.cloud.password import read_password
from tcu_agent.adapters.cloud.tls import client_context, is_refusal
from tcu_agent.config import MqttConfig
from tcu_agent.errors import ConnectionEndedError, MqttTransportError, PublicationRefusedError
from tcu_agent.ports import Inbound

INBOUND_LIMIT_BYTES = 65_536
"""Longer payloads are cut one byte above this: no message of the protocol is as long, and the core
answers what is too long with ``too-large``."""
MOST_PACKET_BYTES = 2 * INBOUND_LIMIT_BYTES
"""Announced to the broker (MQTT 5, 3.1.2.11.4), and over TLS enforced: see `tls`."""
INBOUND_QUEUE_MESSAGES = 64
"""Held for a core that is busy; what comes on top is dropped: the centre asks again."""
_QOS = 1
_SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Else a challenge waits 40 ms for the broker's TCP to acknowledge the PUBACK before it."""
_ANSWERED_BY = {"challenge": "grant"}
"""Type of ours -> type of its answer, told as Response Topic. The one in a message that we get is not looked at: else
who can publish to us could choose where we publish."""
_REFUSED_FOR_GOOD = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9D})
"""MQTT 5, 2.4: protocol version, client id, credentials, authorisation, ban, method, other server.
paho translates the codes of 3.1.1 into these."""


class MqttLink:
    """The `LinkPort`. Each `connect` makes a fresh client on the broker's persistent session."""

    def __init__(self, *, config: MqttConfig, vehicle_id: str) -> None:
        self._config = config
        self._prefix = f"tcu/v1/{vehicle_id}"
        self._client: Client | None = None

    async def connect(self, *, connection: int, will: bytes) -> bool:  # noqa: ARG002 - for the log of fakes
        """Connect, set the will, subscribe; return whether the broker still had our session.

        Raises:
            MqttTransportError: refused or unreachable; `temporary` False = credentials, certificate,
                authorisation or configuration.
            KeyStoreError: the file of the password, or of the key, cannot be read.
        """
        context = None
        if self._config.tls is not None:
            context = client_context(self._config.tls)
            context.most_bytes = MOST_PACKET_BYTES
        client = self._new_client(will, context)
        try:
            async with self._answered(client, may_have_happened=False):
                await client.__aenter__()
            async with self._answered(client, may_have_happened=False):
                await self._subscribe(client)
        except MqttTransportError as error:
            client.abandon()
            refusal = None if context is None else context.refusal
            raise MqttTransportError(
                f"{self._config.host}:{self._config.port}: {refusal or error}",
                may_have_happened=False,
                temporary=error.temporary and refusal is None,
            ) from error
        except BaseException:
            client.abandon()
            raise
        self._client = client
        return client.has_session

    async def messages(self) -> AsyncIterator[Inbound]:
        """Iterate over what arrives until the connection is lost.

        Raises:
            MqttTransportError: it is; `temporary` False = the broker has ended it and said that it does not want us.
        """
        client = self._connected()
        with _converted(client, may_have_happened=False):
            async for message in client.messages:
                payload = bytes(message.payload or b"")[: INBOUND_LIMIT_BYTES + 1]
                yield Inbound(message.topic.value, payload, message.retain)

    async def publish(
        self,
        message_type: str,
        payload: bytes,
        *,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Publish to the vehicle's up topic, QoS 1, never retained; returns after the PUBACK.

        Return whether that says that nobody has subscribed to it (MQTT 5).

        Raises:
            PublicationRefusedError: the PUBACK says no; the connection holds.
            MqttTransportError: not connected, or no PUBACK (`may_have_happened` True then).
        """
        client = self._connected()
        properties = self._properties(PacketTypes.PUBLISH)
        if properties is not None and expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        if properties is not None and correlation is not None:
            properties.CorrelationData = correlation
        if properties is not None and message_type in _ANSWERED_BY:
            properties.ResponseTopic = f"{self._prefix}/down/{_ANSWERED_BY[message_type]}"
        topic = f"{self._prefix}/up/{message_type}"
        try:
            async with self._answered(client, may_have_happened=True):
                await client.publish(topic, payload, qos=_QOS, properties=properties)
        except PublicationRefusedError as answer:
            if answer.reason_code != NO_MATCHING_SUBSCRIBERS:
                raise
            return True
        return False

    async def disconnect(self) -> None:
        """End the connection politely, so that the broker keeps the will to itself; never raises."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(MqttTransportError):
                async with self._answered(client, may_have_happened=True):
                    await client.__aexit__(None, None, None)
            client.abandon()

    def _connected(self) -> Client:
        if self._client is None:
            raise MqttTransportError("not connected", may_have_happened=False, temporary=True)
        return self._client

    def _new_client(self, will: bytes, context: ssl.SSLContext | None) -> Client:
        config = self._config
        is_v5 = config.protocol == "5"
        properties = self._properties(PacketTypes.CONNECT)
        if properties is not None:
            properties.SessionExpiryInterval = config.session_expiry_s
            properties.MaximumPacketSize = MOST_PACKET_BYTES
        client = Client(
            config.host,
            config.port,
            connect_timeout_s=config.timeout_s,
            identifier=config.client_id,
            username=config.username,
            password=read_password(config),
            protocol=aiomqtt.ProtocolVersion.V5 if is_v5 else aiomqtt.ProtocolVersion.V311,
            clean_session=None if is_v5 else False,
            clean_start=False if is_v5 else 3,
            properties=properties,
            will=aiomqtt.Will(f"{self._prefix}/up/availability", will, qos=_QOS),
            keepalive=config.keepalive_s,
            timeout=math.inf,  # see _answered
            queue_type=Inbox,
            max_queued_incoming_messages=INBOUND_QUEUE_MESSAGES,
            tls_context=context,
            socket_options=_SOCKET_OPTIONS,
        )
        client.pending_calls_threshold = (
            INBOUND_QUEUE_MESSAGES  # more than we ever send at once: no line for that
        )
        return client

    async def _subscribe(self, client: Client) -> None:
        topic_filter = f"{self._prefix}/down/+"
        if self._config.protocol == "5":
            # Retained messages are asked for on purpose, flagged: the core refuses them and says so.
            options = SubscribeOptions(qos=_QOS, retainAsPublished=True)
            codes = await client.subscribe(topic_filter, options=options)
        else:
            codes = await client.subscribe(topic_filter, qos=_QOS)
        if any(number(code) >= FIRST_FAILURE_CODE for code in codes):
            raise MqttTransportError(
                f"the broker does not let us subscribe to {topic_filter}",
                may_have_happened=False,
                temporary=False,
            )

    @contextlib.asynccontextmanager
    async def _answered(self, client: Client, *, may_have_happened: bool) -> AsyncIterator[None]:
        """Wait for an answer of the broker at most `timeout_s`, with errors of our own.

        Not with aiomqtt's timeout: that is asyncio.wait_for, which up to Python 3.11 swallows a cancellation
        that comes together with the answer, and then the agent never ends.
        """
        try:
            async with asyncio.timeout(self._config.timeout_s):
                with _converted(client, may_have_happened=may_have_happened):
                    yield
        except TimeoutError:
            what = _dismissed(client) or "the broker does not answer"
            raise MqttTransportError(
                what, may_have_happened=may_have_happened, temporary=not _is_refusal(None, client)
            ) from None

    def _properties(self, packet: int) -> Properties | None:
        if self._config.protocol != "5":
            return None
        return Properties(packet)  # type: ignore[no-untyped-call]  # paho gives it no types


@contextlib.contextmanager
def _converted(client: Client, *, may_have_happened: bool) -> Iterator[None]:
    try:
        yield
    except aiomqtt.MqttError as error:
        what = _dismissed(client) or str(error) or type(error).__name__
        temporary = not _is_refusal(error, client)
        if client.dismissal is None and not client.is_hung_up:
            raise MqttTransportError(
                what, may_have_happened=may_have_happened, temporary=temporary
            ) from error
        raise ConnectionEndedError(
            what,
            may_have_happened=may_have_happened,
            temporary=temporary,
            reason_code=None if client.dismissal is None else number(client.dismissal),
        ) from error


def _dismissed(client: Client) -> str:
    code = client.dismissal
    return "" if code is None else f"the broker ends the connection: {code} (0x{number(code):02X})"


def _is_refusal(error: aiomqtt.MqttError | None, client: Client) -> bool:
    if client.dismissal is not None:
        return number(client.dismissal) in _REFUSED_FOR_GOOD
    if isinstance(error, MqttConnectError):
        return number(error.rc) in _REFUSED_FOR_GOOD
    # aiomqtt keeps the cause of a failed handshake in the context only.
    return error is not None and is_refusal(error.__context__)
