"""Publications that the broker answers with a failure: nothing is lost by them, but somebody has to hear of it.

What is stored is sent again until the centre acknowledges it; what was of use at that moment alone is gone.
"""

from __future__ import annotations

from collections import Counter

from tcu_agent.errors import PublicationRefusedError
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.supervisor import Supervisor

_ABOUT = "refusals"


class Refusals:
    """Told once for each type of message, until one of that type gets through."""

    def __init__(self, *, logbook: Logbook, supervisor: Supervisor) -> None:
        self._logbook = logbook
        self._supervisor = supervisor
        self._refused: Counter[str] = Counter()

    def refused(self, topic_type: str, error: PublicationRefusedError) -> None:
        """Take note that the broker refused one."""
        self._refused[topic_type] += 1
        if self._refused[topic_type] == 1:
            self._logbook.error("publication-refused", type=topic_type, detail=str(error))
            self._show()

    def taken(self, topic_type: str) -> None:
        """Take note that the broker took one."""
        if count := self._refused.pop(topic_type, 0):
            self._logbook.info("publications-taken-again", type=topic_type, refused=count)
            self._show()

    def _show(self) -> None:
        types = ", ".join(self._refused)
        text = f"the broker refuses what we publish as {types}" if types else None
        self._supervisor.trouble(_ABOUT, text)
