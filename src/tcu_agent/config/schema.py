"""What tcu.toml says, as frozen values that have been checked. Every field: deploy/tcu.example.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tcu_agent.config.can_bus import BusConfig
from tcu_agent.config.enrolment import EnrolmentConfig
from tcu_agent.config.signing_key import SigningKey
from tcu_agent.core.reports.classes import OutboxBounds
from tcu_agent.core.settings import CoreSettings
from tcu_agent.errors import ConfigError

MqttProtocol = Literal["5", "3.1.1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS 1.3 to the broker. `ca` is the only authority believed; `certificate` and `key` are ours."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """The broker, and how to speak to it."""

    host: str
    client_id: str
    port: int = 8883
    protocol: MqttProtocol = "5"
    keepalive_s: int = 30
    session_expiry_s: int = 604_800
    timeout_s: float = 10.0
    """For each answer of the broker."""
    username: str | None = None
    password_file: Path | None = None
    tls: TlsConfig | None = None
    further_brokers: tuple[tuple[str, int], ...] = ()
    """Host and port of each, tried in this order when the one before fails; all else is as for the first."""

    @property
    def each_broker(self) -> tuple[MqttConfig, ...]:
        """One configuration for each broker, in the order in which they are tried."""
        addresses = ((self.host, self.port), *self.further_brokers)
        return tuple(
            replace(self, host=host, port=port, further_brokers=()) for host, port in addresses
        )

    @property
    def is_plain_text(self) -> bool:
        """Whether anybody on the way can read along (and, unsigned parts aside, delay and drop)."""
        return self.tls is None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """Where the secrets are; each file must be readable by its owner alone."""

    signing: SigningKey
    """A file (PEM, PKCS#8: P-256 or Ed25519), or a P-256 key in a PKCS#11 token."""
    secoc: Mapping[str, Path] = field(default_factory=dict)
    """Name of the key in the mapping -> file with its 16 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustConfig:
    """What the agent believes from the start. `bundle`: the first trust bundle, as a trust container."""

    threshold: int
    roots: tuple[bytes, ...]
    bundle: Path | None = None
    problems: tuple[ConfigError, ...] = ()
    """What is wrong with the roots file. There are no roots then: nothing remote is believed, the rest goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Where lines go is systemd's business; this says which and how."""

    level: str = "info"
    format: Literal["text", "json"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of tcu.toml. `core`: without what only the mapping knows (`locks`, `reported`)."""

    file: Path
    mapping: Path
    buses: tuple[BusConfig, ...]
    mqtt: MqttConfig
    keys: KeysConfig
    trust: TrustConfig
    state_directory: Path
    log: LogConfig
    core: CoreSettings
    outbox: OutboxBounds = field(default_factory=OutboxBounds)
    enrolment: EnrolmentConfig | None = None
    suspend_command: tuple[str, ...] = ()
    """Program and arguments that suspend the board; none: it stays on."""
    warnings: tuple[str, ...] = ()
    """What is allowed but unsafe; `check` and the start of the agent say it."""

    @property
    def vehicle_id(self) -> str:
        """The vehicle's opaque id."""
        return self.core.vehicle_id

    @property
    def environment(self) -> str:
        """Such as ``production``: messages of another environment never verify."""
        return self.core.environment
