"""aiomqtt's client with four things mended: what PUBACK and CONNACK say, connections given up half-way, floods.

All of it touches what aiomqtt and paho keep to themselves; it is here and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import aiomqtt

from tcu_agent.errors import PublicationRefusedError

if TYPE_CHECKING:
    from paho.mqtt.client import Client as PahoClient
    from paho.mqtt.client import ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

FIRST_FAILURE_CODE = 0x80
"""Source: MQTT 5, 2.4."""
NO_MATCHING_SUBSCRIBERS = 0x10
"""Taken, and given to nobody. Source: MQTT 5, 3.4.2.1."""


_CLOSED_BY_THE_OTHER_END = "Unspecified error"
"""What paho makes of MQTT_ERR_CONN_LOST: the end of the stream, or a reset."""


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """Drops what does not fit. aiomqtt would log a line for each, and who floods us would fill the disk."""

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Take a message if there is room."""
        if not self.full():
            super().put_nowait(item)


class Client(aiomqtt.Client):
    """One connection."""

    def __init__(
        self, hostname: str, port: int, *, connect_timeout_s: float, **kwargs: Any
    ) -> None:
        super().__init__(hostname, port, **kwargs)
        # Else five seconds for TCP and TLS, whatever was configured: too little for a satellite or a bad cell.
        self._client.connect_timeout = connect_timeout_s
        self._refusals: dict[int, ReasonCode] = {}
        self.has_session = False
        """Whether the broker had kept ours when it took the connection."""
        self.dismissal: ReasonCode | None = None
        """With which the broker has ended the connection; aiomqtt keeps it to itself."""
        self.is_hung_up = False
        """Whether the other end closed the connection without a word."""

    def abandon(self) -> None:
        """Close the socket here and now, which aiomqtt leaves open when connecting fails half-way."""
        # A cancelled wait leaves this future cancelled, and aiomqtt's callback would fail on it.
        if self._connected.cancelled():
            self._connected = asyncio.get_running_loop().create_future()
        self._client.disconnect()
        ended = self._disconnected
        if ended.done() and not ended.cancelled():
            ended.exception()  # looked at, else asyncio logs it as forgotten when the client is collected
        if self._client.socket() is None:
            _let_go(self._client)

    def _on_connect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.has_session = flags.session_present
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.dismissal = reason_code
        # Else it is "Keep alive timeout", or we have ended it.
        self.is_hung_up = reason_code.getName() == _CLOSED_BY_THE_OTHER_END
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self,
        client: PahoClient,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        # aiomqtt takes every PUBACK for a yes.
        code = number(reason_code)
        if code >= FIRST_FAILURE_CODE or code == NO_MATCHING_SUBSCRIBERS:
            self._refusals[mid] = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)

    @contextlib.contextmanager
    def _pending_call(self, mid: int, value: Any, pending_dict: dict[int, Any]) -> Iterator[None]:
        self._refusals.pop(mid, None)  # of an earlier life of this number
        with super()._pending_call(mid, value, pending_dict):
            yield
        refusal = self._refusals.pop(mid, None)
        if refusal is not None:
            raise PublicationRefusedError(number(refusal), str(refusal))


def number(code: object) -> int:
    """Return the number of a reason code, which paho gives as an object or as a number."""
    return int(getattr(code, "value", code))  # type: ignore[call-overload, no-any-return]  # ReasonCode or int


def _let_go(client: PahoClient) -> None:
    """Let a thread that still connects find nobody: it closes its socket, and nothing is said on it.

    Else it would send CONNECT after all, which ends the connection that we have made meanwhile; and once the loop is
    closed, each of aiomqtt's callbacks would fail with a traceback.
    """
    client.on_socket_open = lambda _client, _userdata, sock: sock.close()
    client.on_socket_register_write = lambda _client, _userdata, _sock: None
    client.on_socket_unregister_write = client.on_socket_close = None
