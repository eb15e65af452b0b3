"""The password that a broker is told, as it stands in its file; the one reader for `run`, `check` and `doctor`."""

from __future__ import annotations

from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.config import MqttConfig


def read_password(config: MqttConfig) -> str | None:
    """Return the password without the end of its line, or None where none is configured.

    Raises:
        KeyStoreError: the file cannot be read, or is open to others.
    """
    if config.password_file is None:
        return None
    content = read_secret(config.password_file, setting="[mqtt] password_file")
    return content.decode("utf-8", "replace").rstrip("\n")
