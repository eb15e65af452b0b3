"""What counts as lost by our own way to listen."""

from __future__ import annotations

from benchmarks.listeners import lost_of

from tcu_agent.ports import CanFrame
from tests.can.decoding import decoder, feed
from tests.can.vehicle import frame, reference

STRANGERS = [CanFrame(0x700, bytes(8), timestamp_s=0.1 * index) for index in range(30)]


def lost(sent: list[CanFrame], arrived: list[CanFrame]) -> int:
    tested = decoder()
    feed(tested, arrived)
    return lost_of(sent, reference(), "body", taken=tested.counters().mapped_frames)


def test_a_stranger_that_arrives_makes_up_for_no_wanted_frame() -> None:
    wanted = [frame("DoorStatus", 0.1 * index) for index in range(10)]
    assert lost(wanted + STRANGERS, wanted) == 0
    assert lost(wanted + STRANGERS, wanted[:-1] + STRANGERS) == 1
    assert lost(STRANGERS, []) == 0
