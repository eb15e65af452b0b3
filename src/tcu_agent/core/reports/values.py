"""What a signal says, as an event can carry it: whatever it is, the event must be one that can be written.

A signal comes from a bus on which anybody may talk, by way of a mapping and a DBC that somebody else wrote.
"""

from __future__ import annotations

import math
from typing import Final

from tcu_agent.core.events import Value
from tcu_agent.protocol import schema
from tcu_agent.protocol.messages import VssValue

MAX_TEXT_BYTES: Final = 64
"""Of UTF-8. Source: docs/protocol.cddl, event."""


def told(value: Value) -> VssValue:
    """Return a value as events carry it: no floats, texts of at most 64 bytes; None for a number that is none there."""
    if isinstance(value, str):
        # Cut at a whole character; what is no Unicode at all becomes question marks.
        return value.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore")
    if isinstance(value, float):
        value = round(value) if math.isfinite(value) else None
    if value is None or -schema.MAX_INT <= value < schema.MAX_INT:
        return value
    return None
