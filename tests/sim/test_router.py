"""Wire, faults and router on simulated time."""

from __future__ import annotations

import asyncio
import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_sim.bench.simulated_loop import run_simulated
from tcu_sim.bus.faults import FaultCounters, LinkFaults, pass_through
from tcu_sim.bus.frame import BitRate, Frame
from tcu_sim.bus.in_process import InProcessBus
from tcu_sim.bus.wire import Transmission, Wire

SPEED = BitRate(500_000, 2_000_000)


def frame(arbitration_id: int, number: int = 0) -> Frame:
    return Frame(arbitration_id=arbitration_id, data=bytes([number]))


def drain(wire: Wire) -> list[Transmission]:
    done: list[Transmission] = []
    while (deadline := wire.next_deadline()) is not None:
        done += wire.advance(deadline)
    return done


def test_duration_is_the_published_worst_case() -> None:
    # 8 bytes at 500 kbit/s: 135 bits standard, 160 extended (Davis et al. 2007)
    assert SPEED.duration_s(Frame(arbitration_id=1, data=bytes(8))) == pytest.approx(135 / 500_000)
    extended = Frame(arbitration_id=1, data=bytes(8), is_extended_id=True)
    assert SPEED.duration_s(extended) == pytest.approx(160 / 500_000)


def test_bit_rate_switch_makes_an_fd_frame_shorter() -> None:
    slow = Frame(arbitration_id=1, data=bytes(64), is_fd=True)
    fast = Frame(arbitration_id=1, data=bytes(64), is_fd=True, bitrate_switch=True)
    assert SPEED.duration_s(fast) < SPEED.duration_s(slow) / 2


def test_lowest_identifier_wins_among_those_waiting() -> None:
    wire = Wire(bit_rate=SPEED, queue_frames=8)
    for sender, arbitration_id in (("a", 0x300), ("a", 0x050), ("b", 0x200), ("c", 0x100)):
        wire.submit(sender, frame(arbitration_id), now=0.0)
    sent = [done.frame.arbitration_id for done in drain(wire)]
    # 0x050 waits behind its own node's first frame, as in a controller's queue
    assert sent == [0x100, 0x200, 0x300, 0x050]


def test_a_frame_on_the_wire_is_not_interrupted() -> None:
    wire = Wire(bit_rate=SPEED, queue_frames=8)
    wire.submit("a", frame(0x700), now=0.0)
    first_end_s = wire.next_deadline()
    assert first_end_s is not None
    wire.submit("b", frame(0x001), now=first_end_s / 2)
    wire.submit("a", frame(0x002), now=first_end_s / 2)
    assert [done.frame.arbitration_id for done in drain(wire)] == [0x700, 0x001, 0x002]


def test_standard_beats_extended_with_the_same_leading_bits() -> None:
    standard = Frame(arbitration_id=0x123)
    extended = Frame(arbitration_id=0x123 << 18, is_extended_id=True)
    assert standard.arbitration_key < extended.arbitration_key
    assert extended.arbitration_key < Frame(arbitration_id=0x124).arbitration_key


def test_late_look_sees_what_the_wire_did_meanwhile() -> None:
    wire = Wire(bit_rate=SPEED, queue_frames=8)
    duration_s = SPEED.duration_s(frame(0x300))
    for number in range(3):
        wire.submit("a", frame(0x300, number), now=0.0)
    done = wire.advance(1.0)
    assert [d.end_s for d in done] == pytest.approx([duration_s * n for n in (1, 2, 3)])
    assert wire.busy_s == pytest.approx(3 * duration_s)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 0x7FF), st.floats(0, 0.01)), max_size=40
    )
)
def test_the_wire_loses_nothing_overlaps_nothing_and_keeps_each_nodes_order(
    sent: list[tuple[str, int, float]],
) -> None:
    wire = Wire(bit_rate=SPEED, queue_frames=1000)
    done: list[Transmission] = []
    by_time = sorted(sent, key=lambda entry: entry[2])
    for sender, arbitration_id, now in by_time:
        done += wire.advance(now)
        wire.submit(sender, frame(arbitration_id), now=now)
    done += drain(wire)
    for sender in "abc":
        mine = [d.frame.arbitration_id for d in done if d.sender == sender]
        assert mine == [identifier for name, identifier, _ in by_time if name == sender]
    ends = [d.end_s for d in done]
    shortest_s = SPEED.duration_s(frame(0))
    assert all(later - earlier >= shortest_s * 0.999 for earlier, later in itertools.pairwise(ends))


def test_frames_go_to_all_others_and_not_back() -> None:
    async def play() -> None:
        bus = InProcessBus(["a", "b", "c"])
        await bus.nodes["a"].send(frame(1))
        assert await bus.nodes["b"].receive() == (frame(1),)
        assert await bus.nodes["c"].receive() == (frame(1),)
        await bus.nodes["b"].send(frame(2))
        assert await bus.nodes["a"].receive() == (frame(2),)

    run_simulated(play())


def test_paced_delivery_takes_simulated_time() -> None:
    async def play() -> float:
        bus = InProcessBus(["a", "b"], wire=Wire(bit_rate=SPEED, queue_frames=8))
        for number in range(10):
            await bus.nodes["a"].send(frame(1, number))
        seen: list[Frame] = []
        while len(seen) < 10:
            seen += await bus.nodes["b"].receive()
        assert seen == [frame(1, number) for number in range(10)]
        return asyncio.get_running_loop().time()

    assert run_simulated(play()) == pytest.approx(10 * SPEED.duration_s(frame(1)))


def test_delayed_frames_come_later_and_cut_links_pass_nothing() -> None:
    async def play() -> None:
        bus = InProcessBus(["a", "b"])
        bus.router.faults["b"] = LinkFaults(delay=1.0, delay_s=0.5)
        await bus.nodes["a"].send(frame(1))
        await bus.nodes["b"].receive()
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)
        bus.router.faults["b"] = LinkFaults(is_cut=True)
        await bus.nodes["a"].send(frame(2))
        await bus.nodes["b"].send(frame(3))
        bus.router.faults["b"] = LinkFaults()
        await bus.nodes["a"].send(frame(4))
        assert await bus.nodes["b"].receive() == (frame(4),)
        assert bus.nodes["b"].counters.faults.cut == 2
        assert bus.nodes["a"].counters.delivered == 0

    run_simulated(play())


@given(
    st.integers(),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_what_passes_a_link_is_accounted_for(
    seed: int, drop: float, duplicate: float, corrupt: float
) -> None:
    rng, counters = Random(seed), FaultCounters()
    faults = LinkFaults(drop=drop, duplicate=duplicate, corrupt=corrupt)
    passed = [
        passage.frame
        for number in range(50)
        for passage in pass_through(frame(1, number), faults, counters=counters, rng=rng)
    ]
    assert len(passed) == 50 - counters.dropped + counters.duplicated
    unchanged = {frame(1, number) for number in range(50)}
    assert counters.corrupted or set(passed) <= unchanged


def test_a_corrupted_frame_differs_in_one_bit() -> None:
    sent = Frame(arbitration_id=5, data=bytes(8))
    (passage,) = pass_through(
        sent, LinkFaults(corrupt=1.0), counters=FaultCounters(), rng=Random(1)
    )
    assert int.from_bytes(passage.frame.data, "big").bit_count() == 1


@pytest.mark.parametrize("wrong", [{"drop": 1.5}, {"delay": -0.1}, {"delay_s": 100.0}])
def test_rates_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"probability|seconds"):
        LinkFaults(**wrong)  # type: ignore[arg-type]  # the names are floats' here
