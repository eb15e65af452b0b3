"""The one place that prints: a line of text or a JSON object, at once, also into a pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping


def say(text: str) -> None:
    """Print one line."""
    print(text, flush=True)


def say_json(record: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(record), flush=True)
