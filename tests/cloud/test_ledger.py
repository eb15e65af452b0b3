"""What the fault campaign's ledger calls told twice."""

from __future__ import annotations

import pytest

from tcu_sim.faults.ledger import DOOR_PATH, _moves
from tcu_sim.wire.messages import Event
from tcu_sim.wire.numbers import Told

FIRST, SECOND = bytes(8), bytes(range(8))


def door(*, is_open: bool, boot_id: bytes = FIRST) -> Event:
    return Event(
        vehicle_id="car-1",
        kind=Told.STATE_CHANGED,
        seq=1,
        boot_id=boot_id,
        boot_time_ms=0,
        wall_time_ms=0,
        reason=0,
        values={DOOR_PATH: is_open},
        stream_id=bytes(8),
    )


@pytest.mark.parametrize(
    ("events", "moves", "repeats"),
    [
        ([door(is_open=False), door(is_open=True), door(is_open=False)], [True, False], 0),
        ([door(is_open=True), door(is_open=True)], [True], 1),
        ([door(is_open=True), door(is_open=True, boot_id=SECOND)], [True], 0),
        ([door(is_open=True), *[door(is_open=True, boot_id=SECOND)] * 3], [True], 2),
    ],
)
def test_a_change_told_twice_is_seen_but_not_what_a_new_start_tells_first(
    events: list[Event], moves: list[bool], repeats: int
) -> None:
    assert _moves(events) == (moves, repeats)
