"""Frames in a batch mean what they mean one by one: the quick way past those that nobody wants changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.core.events import CoreEvent
from tcu_agent.ports import CanFrame
from tests.can.vehicle import button, frame, locks, reference

OWN, UNKNOWN = 0x0A0, (0x555, 0x556)


@st.composite
def histories(draw: st.DrawFn) -> list[CanFrame]:
    """Mapped, protected, unknown, own, remote and error frames, with short gaps, long ones, and steps back."""
    at, found = 100.0, []
    for step in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0.0, 0.001, 0.02, 0.15, 0.5, 1.2, 2.5, -0.3]))
        choices = {
            "unknown": CanFrame(draw(st.sampled_from(UNKNOWN)), b"\x01", timestamp_s=at),
            "motion": frame("VehicleMotion", at),
            "button": button(step, at, draw(st.sampled_from(["Pressed", "Released"]))),
            "locks": locks(step, at),
            "own": CanFrame(OWN, bytes(8), timestamp_s=at),
            "remote": CanFrame(UNKNOWN[0], b"", is_remote_frame=True, timestamp_s=at),
            "error": CanFrame(0x40, bytes(8), is_error_frame=True, timestamp_s=at),
        }
        likely = ["unknown"] * 6 + ["motion", "button", "locks", "own", "remote", "error"]
        found.append(choices[draw(st.sampled_from(likely))])
    return found


@given(histories(), st.integers(1, 7))
def test_in_batches_or_one_by_one_is_the_same(history: list[CanFrame], size: int) -> None:
    batched = SignalDecoder(reference(), "body", started_at=100.0)
    single = SignalDecoder(reference(), "body", started_at=100.0)
    together: list[CoreEvent] = []
    for start in range(0, len(history), size):
        together += batched.receive_all(history[start : start + size])
    alone = [event for one in history for event in single.receive(one)]
    assert together == alone
    assert batched.counters() == single.counters()
    assert batched.next_deadline() == single.next_deadline()


def test_most_frames_pass_without_being_looked_at() -> None:
    """What the benchmark measures: an identifier that nobody wants is looked at once."""
    tested = SignalDecoder(reference(), "body", started_at=1.0)
    looked_at: list[CanFrame] = []
    receive = tested.receive

    def look(one: CanFrame) -> object:
        looked_at.append(one)
        return receive(one)

    setattr(tested, "receive", look)  # noqa: B010 -- one object, not its class
    tested.receive_all([CanFrame(0x555, b"", timestamp_s=1.0 + step / 100) for step in range(100)])
    assert len(looked_at) == 1
    assert tested.counters().frames == 100
