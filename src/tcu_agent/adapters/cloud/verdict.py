"""Does a broker take a certificate? Asked without logging in, so that the agent's own session is left alone.

With TLS 1.3 a certificate is judged after the handshake, and a yes is silent. So something is sent that no broker takes
without a CONNECT before it: who answers that in MQTT, or hangs up on it, has let us in; who refuses the certificate
sends an alert. Who hangs up before it, such as a proxy whose broker is away, has neither refused nor taken us.

Nor does "taken" say that anybody looked: only where a connection without a certificate is refused, ours is what counts.
"""

from __future__ import annotations

import socket
import ssl
from enum import Enum, unique
from pathlib import Path
from typing import Final

from tcu_agent.adapters.cloud.tls import ClientContext, client_context, is_refusal
from tcu_agent.config import MqttConfig, TlsConfig

ALERT_WITHIN_S: Final = 1.0
"""For an alert to come first: bytes of ours that a closed socket answers with a reset would wipe it away."""
_PINGREQ: Final = b"\xc0\x00"
_FROM_BROKERS: Final = frozenset({b"\x20", b"\xd0", b"\xe0", b"\xf0"})
"""First bytes of what may come without a session: CONNACK, PINGRESP, DISCONNECT, AUTH. Source: MQTT 5.0, 2.1.2."""


@unique
class Verdict(Enum):
    """What a broker makes of our certificate."""

    TAKEN = "taken"
    REFUSED = "refused"
    HUNG_UP = "hung up"
    """Before we had said anything, or without reading it: not refused, not taken either."""
    NO_BROKER = "no broker"
    """Something answered, but not in MQTT."""
    UNKNOWN = "unknown"
    """It is out of reach, it has no good certificate itself, or it does not answer in time."""


def broker_verdict(broker: MqttConfig, *, certificate: Path, key: Path) -> Verdict:
    """Ask one broker for its opinion of a certificate, blocking for some seconds at most.

    Raises:
        ConfigError, KeyStoreError: a file cannot be used.
    """
    if broker.tls is None:
        return Verdict.UNKNOWN
    tls = TlsConfig(ca=broker.tls.ca, certificate=certificate, key=key)
    return verdict_on(client_context(tls), broker)


def verdict_on(context: ClientContext, broker: MqttConfig) -> Verdict:
    """Ask for the opinion of a context's certificate, blocking for some seconds at most.

    `context.refusal` is the alert of a broker that refuses it.
    """
    try:
        with (
            socket.create_connection((broker.host, broker.port), broker.timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as secured,
        ):
            return _asked(secured, broker.timeout_s)
    except OSError:
        return Verdict.UNKNOWN


def _asked(secured: ssl.SSLSocket, timeout_s: float) -> Verdict:
    try:
        secured.settimeout(min(ALERT_WITHIN_S, timeout_s))
        try:
            return _meaning(secured.recv(1), at_end=Verdict.HUNG_UP)
        except TimeoutError:
            secured.settimeout(timeout_s)
            secured.sendall(_PINGREQ)
            return _meaning(secured.recv(1), at_end=Verdict.TAKEN)
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return Verdict.HUNG_UP
    except ssl.SSLError as error:
        return Verdict.REFUSED if is_refusal(error) else Verdict.UNKNOWN


def _meaning(answer: bytes, *, at_end: Verdict) -> Verdict:
    if not answer:
        return at_end
    return Verdict.TAKEN if answer in _FROM_BROKERS else Verdict.NO_BROKER
