"""Tells when the receiver of our commands says its freshness value under another key than ours: no unlock would work.

Anybody on the bus can send such a message, so a line an hour is all that it gets.
"""

from __future__ import annotations

from tcu_agent.ports import Clock
from tcu_agent.runtime.logbook import Logbook

TELL_S = 3600.0
"""The least time between two lines on one message."""


class ReceiversWord:
    """Its `judged` is told of each such message; see `adapters.can.resync`."""

    def __init__(self, *, clock: Clock, logbook: Logbook) -> None:
        self._clock = clock
        self._logbook = logbook
        self._quiet_until: dict[str, float] = {}

    def judged(self, message: str, is_authentic: bool) -> None:
        """Say the first that is not authentic. `message`: its name in the DBC."""
        now = self._clock.boottime()
        if is_authentic or now < self._quiet_until.get(message, float("-inf")):
            return
        self._quiet_until[message] = now + TELL_S
        self._logbook.warning(
            "secoc-not-authentic",
            message=message,
            consequence="wrong key or freshness? unlocks will be refused (tcu-agent doctor says more)",
        )
