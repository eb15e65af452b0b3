"""The kernel's bytes of a frame, its stamps and its filters, each against the rule as the kernel states it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.can.selection import Selection, select
from tcu_agent.adapters.can.socketcan.filters import all_but, exactly
from tcu_agent.adapters.can.socketcan.frames import pack, unpack
from tcu_agent.adapters.can.socketcan.stamps import StampClock
from tcu_agent.errors import BugError
from tcu_agent.ports import CanFrame
from tests.can.vehicle import database, reference

KEYS = st.one_of(
    st.tuples(st.integers(0, 0x7FF), st.just(False)),
    st.tuples(st.integers(0, 0x1FFF_FFFF), st.just(True)),
)


# ------------------------------------------------------------------ frames


@given(KEYS, st.binary(max_size=8), st.booleans())
def test_a_classic_frame_there_and_back(key: tuple[int, bool], data: bytes, remote: bool) -> None:
    frame = CanFrame(key[0], data, key[1], False, False, remote, 5.0)
    assert unpack(pack(frame), 5.0) == frame


@given(KEYS, st.sampled_from([0, 1, 8, 12, 16, 20, 24, 32, 48, 64]))
def test_an_fd_frame_there_and_back(key: tuple[int, bool], length: int) -> None:
    frame = CanFrame(key[0], bytes(range(length)), key[1], is_fd=True)
    assert unpack(pack(frame), 0.0) == frame


def test_fd_frames_are_padded_to_a_length_that_there_is() -> None:
    back = unpack(pack(CanFrame(1, b"\x01" * 9, is_fd=True)), 0.0)
    assert back is not None
    assert back.data == b"\x01" * 9 + bytes(3)


def test_the_flags_of_an_fd_frame() -> None:
    """CANFD_BRS 0x01, CANFD_FDF 0x04."""
    frame = CanFrame(1, b"", is_fd=True)
    assert (pack(frame)[5], pack(frame, bit_rate_switch=False)[5]) == (0x05, 0x04)
    assert pack(CanFrame(1, b""))[5] == 0


def test_the_layout_by_hand() -> None:
    assert pack(CanFrame(0x123, b"\xaa\xbb")) == struct.pack("=I", 0x123) + bytes.fromhex(
        "02000000 aabb000000000000"
    )
    assert pack(CanFrame(0x123, b"", is_extended_id=True))[:4] == struct.pack("=I", 0x8000_0123)


def test_an_error_frame_keeps_its_class() -> None:
    frame = unpack(struct.pack("=IBxxx8s", 0x2000_0104, 8, bytes(8)), 1.0)
    assert frame is not None
    assert frame.is_error_frame
    assert frame.arbitration_id == 0x104


@pytest.mark.parametrize(
    "raw", [b"", bytes(15), bytes(17), bytes(71), struct.pack("=IB3x8s", 1, 9, bytes(8))]
)
def test_bytes_that_are_no_frame(raw: bytes) -> None:
    assert unpack(raw, 0.0) is None


@pytest.mark.parametrize(
    "frame",
    [
        CanFrame(0x800, b""),
        CanFrame(-1, b""),
        CanFrame(0x2000_0000, b"", is_extended_id=True),
        CanFrame(1, bytes(9)),
        CanFrame(1, bytes(65), is_fd=True),
    ],
)
def test_a_frame_that_does_not_exist_is_a_bug(frame: CanFrame) -> None:
    with pytest.raises(BugError, match="no CAN frame"):
        pack(frame)


# ------------------------------------------------------------------ stamps


def stamp(wall: float) -> bytes:
    return struct.pack("=qq", int(wall), round(wall % 1 * 1e9))


class Clocks:
    def __init__(self) -> None:
        self.boot, self.step = 1000.0, 1.7e9
        self.converted = StampClock(boottime=lambda: self.boot, wall=self.wall)

    def wall(self) -> float:
        return self.boot + self.step


@given(age=st.floats(0, 1.5), step=st.floats(-3600, 3600), stamped_before_the_step=st.booleans())
def test_the_wall_clock_may_be_set_while_frames_wait(
    age: float, step: float, stamped_before_the_step: bool
) -> None:
    clocks = Clocks()
    clocks.converted.look()
    arrived = clocks.boot + 1.0
    wall = arrived + clocks.step + (0 if stamped_before_the_step else step)
    clocks.boot, clocks.step = arrived + age, clocks.step + step
    clocks.converted.look()
    at = clocks.converted.boottime_of(stamp(wall))
    if abs(step) < 2.0:
        # A small step may make a stamp younger by its own size; one of a millisecond is not noticed.
        assert arrived - 0.0011 <= at <= clocks.boot + 1e-5
    else:
        assert at == pytest.approx(arrived, abs=1e-5)


@pytest.mark.parametrize("age_s", [-3.0, 2.0, 6.0, 1e9])
def test_a_stamp_of_another_clock_is_not_believed(age_s: float) -> None:
    """The socket was found empty 1.5 s ago: nothing in it is older."""
    clocks = Clocks()
    for _ in range(3):
        clocks.boot += 0.5
        clocks.converted.look()
    clocks.boot += 0.5
    clocks.converted.look()
    assert clocks.converted.boottime_of(stamp(clocks.wall() - age_s)) == clocks.boot


@pytest.mark.parametrize("stall_s", [1.0, 6.0, 3600.0])
def test_after_a_stall_a_frame_has_the_time_that_it_came(stall_s: float) -> None:
    """A door that was open for a moment of it, or a press of the button, is told with its length."""
    clocks = Clocks()
    for _ in range(3):
        clocks.boot += 0.1
        clocks.converted.look()
    arrived, wall = clocks.boot + 0.5, clocks.wall() + 0.5
    clocks.boot += stall_s
    clocks.converted.look()
    assert clocks.converted.boottime_of(stamp(wall)) == pytest.approx(arrived, abs=1e-5)


def test_the_wall_clock_may_be_set_while_more_frames_wait_than_one_batch() -> None:
    clocks = Clocks()
    clocks.converted.look()
    arrived, wall = clocks.boot + 1.0, clocks.wall() + 1.0
    clocks.boot += 60.0
    clocks.step += 3600.0
    for is_emptied in (False, False, True):
        clocks.converted.look(is_emptied=is_emptied)
        assert clocks.converted.boottime_of(stamp(wall)) == pytest.approx(arrived, abs=1e-5)
    clocks.converted.look()
    assert clocks.converted.boottime_of(stamp(wall)) == clocks.boot  # it can no longer be there


# ------------------------------------------------------------------ filters


def kernel_passes(filters: bytes, word: int, *, joined: bool = False) -> bool:
    """Linux net/can/af_can.c and raw.c: a frame passes if one filter matches, joined if all do."""
    results = []
    for number, mask in struct.iter_unpack("=II", filters):
        matches = word & mask == number & ~0x2000_0000 & mask
        results.append(matches != bool(number & 0x2000_0000))
    return all(results) if joined else any(results)


def word_of(key: tuple[int, bool]) -> int:
    return key[0] | (0x8000_0000 if key[1] else 0)


@given(st.sets(KEYS, min_size=1, max_size=20), KEYS)
def test_filters_are_exact_in_both_widths(
    keys: set[tuple[int, bool]], key: tuple[int, bool]
) -> None:
    other_width = {(number & 0x7FF, not is_extended) for number, is_extended in keys}
    for one in (*keys, *other_width, key):
        assert kernel_passes(exactly(keys), word_of(one)) is (one in keys)
        assert kernel_passes(all_but(keys), word_of(one), joined=True) is (one not in keys)


def test_remote_frames_do_not_pass_and_nothing_to_leave_out_passes_all() -> None:
    assert not kernel_passes(exactly({(5, False)}), 5 | 0x4000_0000)
    assert kernel_passes(all_but(set()), 5, joined=True)


def test_a_mapping_selects_its_messages_what_we_send_and_the_words_of_receivers() -> None:
    selection = select(reference(), "body")

    def number(name: str) -> tuple[int, bool]:
        found = database().get_message_by_name(name)
        return found.frame_id, found.is_extended_frame

    assert selection.wanted is not None
    for name in ("OnCallButton", "DoorLockStatus", "SecocFreshness", "CentralLockCommand"):
        assert number(name) in selection.wanted
    assert number("NmBcm") not in selection.wanted
    assert {number("CentralLockCommand"), number("NmTcu")} <= selection.own < selection.wanted


def test_without_a_mapping_everything_is_wanted() -> None:
    assert Selection().wanted is None
