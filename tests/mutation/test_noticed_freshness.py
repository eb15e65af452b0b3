"""SecOC freshness in the durable state: no test asked it alone."""

from __future__ import annotations

import pytest

from tcu_agent.adapters.storage.volatile_state import VolatileState
from tcu_agent.errors import StorageError
from tcu_agent.runtime.freshness import StoredFreshness

KEY = "secoc/body/central-locking"


def freshness(stored: dict[str, bytes] | None, state: VolatileState) -> StoredFreshness:
    return StoredFreshness(key=KEY, stored=stored, state=state)


def test_it_begins_with_0_and_goes_on_where_it_was_reserved() -> None:
    state = VolatileState()
    assert freshness({}, state).load() == 0
    freshness({}, state).reserve(0x1234)
    assert state.values == {KEY: bytes.fromhex("82 02 19 1234")}
    assert freshness(state.values, state).load() == 0x1234


def test_a_value_of_the_first_form_is_gone_on_from() -> None:
    state = VolatileState()
    state.values[KEY] = bytes.fromhex("00000000 82021912")
    assert freshness(state.values, state).load() == 0x82021912


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (None, "the durable state cannot be read"),
        ({KEY: bytes(7)}, "corrupt"),
        ({KEY: b""}, "corrupt"),
        ({KEY: bytes.fromhex("82 03 19 1234")}, "schema version 3, .*; start the agent"),
        ({KEY: bytes.fromhex("83 02 19 1234 00")}, "corrupt"),
        ({KEY: bytes.fromhex("82 02 20")}, "corrupt"),
    ],
)
def test_what_cannot_be_read_sends_nothing_and_says_what(
    stored: dict[str, bytes] | None, said: str
) -> None:
    with pytest.raises(StorageError, match=f"{KEY}: {said}"):
        freshness(stored, VolatileState()).load()
