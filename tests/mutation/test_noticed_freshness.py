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
    assert state.values == {KEY: bytes.fromhex("0000000000001234")}
    assert freshness(state.values, state).load() == 0x1234


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (None, "the durable state cannot be read"),
        ({KEY: bytes(7)}, "corrupt"),
        ({KEY: b""}, "corrupt"),
    ],
)
def test_what_cannot_be_read_sends_nothing_and_says_what(
    stored: dict[str, bytes] | None, said: str
) -> None:
    with pytest.raises(StorageError, match=f"{KEY}: {said}"):
        freshness(stored, VolatileState()).load()
