"""What the agent says about itself: one stable word and a few safe fields a line, and a count for each word.

No payload, PIN, key or position ever comes here: callers pass lengths, numbers and words, and what a `Note` of the core
has in its fields.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

FIELDS = "tcu_fields"
"""Name of the attribute under which a log record carries the fields."""


class Logbook:
    """Lines for the log. `counts`: how often each word was said, for tests and diagnostics."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._logger = logger or logging.getLogger("tcu_agent")

    def debug(self, word: str, **fields: str | float) -> None:
        """Say what only a developer wants to know."""
        self._say(logging.DEBUG, word, fields)

    def info(self, word: str, **fields: str | float) -> None:
        """Say what goes as it should."""
        self._say(logging.INFO, word, fields)

    def warning(self, word: str, **fields: str | float) -> None:
        """Say what somebody should look at some day."""
        self._say(logging.WARNING, word, fields)

    def error(self, word: str, **fields: str | float) -> None:
        """Say what somebody should look at now."""
        self._say(logging.ERROR, word, fields)

    def _say(self, level: int, word: str, fields: Mapping[str, str | float]) -> None:
        self.counts[word] += 1
        self._logger.log(level, "%s", word, extra={FIELDS: dict(fields)})
