"""What the agent runs without rather than not at all: ON CALL needs none of it, and has to go on.

Each loss is an error in the log and stands in ``systemctl status``; `check` calls the same things problems.
"""

from __future__ import annotations

from tcu_agent.cli import assembly
from tcu_agent.config import Config
from tcu_agent.errors import AgentError, ConfigError, KeyStoreError
from tcu_agent.protocol.trust import Keyring
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.supervisor import Supervisor


class Losses:
    """Tells of what is missing."""

    def __init__(self, *, logbook: Logbook, supervisor: Supervisor) -> None:
        self._logbook = logbook
        self._supervisor = supervisor

    def tell(self, error: AgentError, consequence: str) -> None:
        """Say what is wrong and what does not work because of it."""
        self._logbook.error("degraded", detail=str(error), consequence=consequence)
        self._supervisor.degrade(consequence)


def tell_of_roots(config: Config, losses: Losses) -> None:
    """Say what is wrong with the root keys: without them nothing remote is believed."""
    for problem in config.trust.problems:
        losses.tell(problem, "no root keys, remote services refused")


def first_trust(config: Config, losses: Losses) -> tuple[bytes, Keyring] | None:
    """Return the first trust bundle, or None where there is none, or none that can be used."""
    try:
        return assembly.read_trust(config)
    except ConfigError as error:
        losses.tell(error, "the first trust bundle is not used")
        return None


def usable_secoc_keys(config: Config, losses: Losses) -> dict[str, bytes]:
    """Return the SecOC keys that can be used, by their names in the mapping."""
    keys: dict[str, bytes] = {}
    for name, file in config.keys.secoc.items():
        try:
            keys[name] = assembly.read_secoc_key(name, file)
        except KeyStoreError as error:
            losses.tell(error, f"nothing that the SecOC key {name!r} secures is sent")
    return keys
