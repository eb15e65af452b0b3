"""Every machine's transition table by name: what the documents show and the models in formal/ are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeVar

from tcu_agent.core.availability import states as availability_states
from tcu_agent.core.call import button
from tcu_agent.core.call import states as call_states
from tcu_agent.core.position import states as position_states
from tcu_agent.core.theft import alarm_states, tow_states
from tcu_agent.core.unlock import relock_states
from tcu_agent.core.unlock import states as unlock_states

S = TypeVar("S", bound=Enum)
T = TypeVar("T", bound=Enum)


def _plain(table: Mapping[tuple[S, T], S]) -> Mapping[tuple[Enum, Enum], Enum]:
    return {(state, trigger): new for (state, trigger), new in table.items()}


TABLES: Final[Mapping[str, Mapping[tuple[Enum, Enum], Enum]]] = {
    "unlock": _plain(unlock_states.TABLE),
    "relock": _plain(relock_states.TABLE),
    "position": _plain(position_states.TABLE),
    "button": _plain(button.TABLE),
    "call": _plain(call_states.TABLE),
    "alarm": _plain(alarm_states.TABLE),
    "tow": _plain(tow_states.TABLE),
    "availability": _plain(availability_states.TABLE),
}


def rows(name: str) -> list[tuple[str, str, str]]:
    """Return a table as (state, trigger, new state), by their enumeration names, in the table's order."""
    return [(state.name, trigger.name, new.name) for (state, trigger), new in TABLES[name].items()]
