"""tcu.toml: read once, checked once, frozen. Every field is explained in deploy/tcu.example.toml."""

from __future__ import annotations

from tcu_agent.config.can_bus import BusConfig, CanAdapter
from tcu_agent.config.enrolment import EnrolmentConfig
from tcu_agent.config.load import REFERENCE_MAPPING, examine, examine_further, load
from tcu_agent.config.schema import (
    Config,
    KeysConfig,
    LogConfig,
    MqttConfig,
    TlsConfig,
    TrustConfig,
)
from tcu_agent.config.signing_key import SigningKey, TokenKey

__all__ = [
    "REFERENCE_MAPPING",
    "BusConfig",
    "CanAdapter",
    "Config",
    "EnrolmentConfig",
    "KeysConfig",
    "LogConfig",
    "MqttConfig",
    "SigningKey",
    "TlsConfig",
    "TokenKey",
    "TrustConfig",
    "examine",
    "examine_further",
    "load",
]
