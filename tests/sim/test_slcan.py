"""The spelling of frames: what is written is read back, what is wrong is refused, and bytes may come in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_sim.bus.channel import ChannelState, SlcanChannel
from tcu_sim.bus.frame import FD_LENGTHS, Frame
from tcu_sim.bus.slcan import decode_frame, encode_frame
from tcu_sim.errors import MalformedFrame


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    extended = draw(st.booleans())
    arbitration_id = draw(st.integers(0, 0x1FFFFFFF if extended else 0x7FF))
    kind = draw(st.sampled_from(["data", "remote", "fd"]))
    if kind == "remote":
        return Frame(
            arbitration_id=arbitration_id,
            is_extended_id=extended,
            remote_dlc=draw(st.integers(0, 8)),
        )
    length = draw(st.sampled_from(FD_LENGTHS if kind == "fd" else range(9)))
    return Frame(
        arbitration_id=arbitration_id,
        is_extended_id=extended,
        data=draw(st.binary(min_size=length, max_size=length)),
        is_fd=kind == "fd",
        bitrate_switch=kind == "fd" and draw(st.booleans()),
    )


@given(frames())
def test_a_frame_is_read_back_as_it_was_written(frame: Frame) -> None:
    line = encode_frame(frame)
    assert line.endswith(b"\r")
    assert decode_frame(line[:-1]) == frame
    assert decode_frame(line[:1] + line[1:-1].lower()) == frame


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b"t1232AABB", Frame(arbitration_id=0x123, data=b"\xaa\xbb")),
        (b"T000123400", Frame(arbitration_id=0x12340, is_extended_id=True)),
        (b"r7FF8", Frame(arbitration_id=0x7FF, remote_dlc=8)),
        (b"d0019" + b"00" * 12, Frame(arbitration_id=1, data=bytes(12), is_fd=True)),
        (
            b"b001F" + b"00" * 64,
            Frame(arbitration_id=1, data=bytes(64), is_fd=True, bitrate_switch=True),
        ),
    ],
)
def test_spelling(line: bytes, frame: Frame) -> None:
    assert decode_frame(line) == frame
    assert encode_frame(frame) == line + b"\r"


@pytest.mark.parametrize(
    "line",
    [b"", b"t", b"t8000", b"t1239" + b"00" * 9, b"t1232AA", b"t1231AABB", b"t12G0", b"r1239", b"r1231AA",
     b"T200000000", b"d0019" + b"00" * 9, b"t1230\n", b"x00001234000"],
)  # fmt: skip
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_frame(line)


@given(st.lists(frames(), max_size=8), st.data())
def test_frames_arrive_whole_however_their_bytes_are_cut(
    sent: list[Frame], data: st.DataObject
) -> None:
    channel = SlcanChannel(serial_number="0001")
    stream = b"S6\rO\r" + b"".join(encode_frame(frame) for frame in sent)
    seen: list[Frame] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += channel.receive(stream[:size]).frames
        stream = stream[size:]
    assert seen == sent


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_no_bytes_stop_the_channel_and_it_recovers_at_the_next_line(chunks: list[bytes]) -> None:
    channel = SlcanChannel(serial_number="0001")
    for chunk in chunks:
        channel.receive(chunk)
    channel.receive(b"\rC\rO\r")
    assert channel.state is ChannelState.OPEN
    assert channel.receive(b"t10010A\r").frames == [Frame(arbitration_id=0x100, data=b"\n")]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"V\r", b"V1013\r"),
        (b"v\r", b"v1013\r"),
        (b"N\r", b"N0007\r"),
        (b"F\r", b"F00\r"),
        (b"\r", b"\r"),
        (b"S6\r", b"\r"),
        (b"O\rS6\r", b"\r\a"),
        (b"O\rO\rC\rC\r", b"\r\r\r\r"),
        (b"t1000\r", b"\a"),
        (b"L\rt1000\r", b"\r\a"),
        (b"O\rt1000\r", b"\r"),
        (b"Q\r", b"\a"),
    ],
)
def test_answers(said: bytes, answer: bytes) -> None:
    assert SlcanChannel(serial_number="0007").receive(said).answer == answer
