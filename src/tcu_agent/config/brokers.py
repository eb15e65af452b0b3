"""The list of further brokers: ``host`` or ``host:port``, IPv6 addresses in brackets."""

from __future__ import annotations

from urllib.parse import urlsplit

from tcu_agent.config.table import Table

MQTTS_PORT = 8883
"""Source: IANA, secure-mqtt."""


def read_brokers(mqtt: Table) -> tuple[tuple[str, int], ...]:
    """Return host and port of each further broker; what is none is noted as a problem."""
    brokers = []
    for text in mqtt.words("further_brokers", ()):
        address = _address(text)
        if address is None:
            mqtt.problem(
                "further_brokers", f"{text!r} is no address", 'write "host" or "host:port"'
            )
        else:
            brokers.append(address)
    return tuple(brokers)


def _address(text: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{text}")
        port = MQTTS_PORT if parts.port is None else parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.netloc != text or "@" in text or port == 0:
        return None
    return parts.hostname, port
