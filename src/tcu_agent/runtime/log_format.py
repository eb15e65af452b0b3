"""How log lines look: text for people at a terminal, JSON lines for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from tcu_agent.runtime.logbook import FIELDS


class TextFormatter(logging.Formatter):
    """``15:02:11.250 warning  link-lost  detail="..." retry_s=1.5``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line (and a traceback below it, where there is one)."""
        time = _time(record).strftime("%H:%M:%S.%f")[:-3]
        fields = " ".join(f"{name}={_quoted(value)}" for name, value in _fields(record).items())
        line = f"{time} {record.levelname.lower():<8} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``word``, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "word": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(*, level: str, form: Literal["text", "json"]) -> None:
    """Let all log lines of this process go to standard error in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tcu_agent").setLevel(level.upper())


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, tz=UTC)


def _fields(record: logging.LogRecord) -> dict[str, str | float]:
    fields: dict[str, str | float] = getattr(record, FIELDS, {})
    return fields


def _quoted(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text else text
