"""Position cases: differences that no other test noticed."""

from __future__ import annotations

from tcu_agent.core.position.cases import Cases
from tcu_agent.core.step import Step


def test_a_case_that_ends_before_its_first_position_is_a_good_record() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    tested.end(step, b"c" * 16)
    ((key, stored),) = step.puts.items()
    assert stored is not None
    again = Cases()
    again.restore({key: stored})
    assert again.last_seqs == {}
    assert again._ended() == [b"c" * 16]
