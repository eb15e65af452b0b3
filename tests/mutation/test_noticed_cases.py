"""Position cases: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core.durable import records
from tcu_agent.core.position.cases import Cases
from tcu_agent.core.step import Step
from tcu_agent.errors import StorageError


def test_a_case_that_ends_before_its_first_position_is_a_good_record() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    tested.end(step, b"c" * 16)
    ((key, stored),) = step.puts.items()
    assert stored is not None
    again = Cases()
    again.restore({key: stored})
    assert again.last_seqs == {}
    assert again._ended() == [b"c" * 16]


def test_a_first_form_that_cannot_be_read_is_left_where_it_is() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    with pytest.raises(StorageError):
        tested.restore({records.CASES: b"corrupt"})
    tested.start(step)
    assert step.puts == {}


@pytest.mark.parametrize("key", [records.CASES, records.CASE_PREFIX + "0f" * records.ID_BYTES])
def test_a_record_that_cannot_be_read_is_named(key: str) -> None:
    with pytest.raises(StorageError, match=f"{key}: corrupt"):
        Cases().restore({key: b"corrupt"})
