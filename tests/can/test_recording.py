"""Recordings of every format that python-can writes are read; damaged ones up to the damage, which is named."""

from __future__ import annotations

import gzip
import io
from decimal import Decimal
from pathlib import Path

import can
import pytest
from can.io.canutils import CanutilsLogReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcu_agent.adapters.can.recording import Recording, _usual_line, frame_of
from tcu_agent.errors import RecordingError
from tcu_agent.ports import CanFrame
from tests.foreign_data import foreign_data

LINES = [
    f"(1000.{step:06d}) can0 {0x100 + step % 4:03X}#{step % 256:02X}0203" for step in range(50)
]
WHOLE = "\n".join(LINES) + "\n"


def written(folder: Path, content: str | bytes, name: str = "drive.log") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize(
    "ending", [".log", ".asc", ".blf", ".csv", ".db", ".trc", ".log.gz", ".asc.gz"]
)
def test_formats(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"drive{ending}"
    with can.Logger(file) as writer:
        for step in range(100):
            writer(
                can.Message(
                    timestamp=1000 + step / 100,
                    arbitration_id=0x123,
                    is_extended_id=bool(step % 2),
                    data=bytes([step]),
                )
            )
    recording = Recording(file)
    frames = list(recording)
    assert [(one.arbitration_id, one.is_extended_id, one.data) for one in frames] == [
        (0x123, bool(step % 2), bytes([step])) for step in range(100)
    ]
    assert frames[-1].timestamp_s - frames[0].timestamp_s == pytest.approx(0.99, abs=1e-3)
    assert recording.truncated is None


def test_the_real_recording_is_kept_up_to_its_cut() -> None:
    recording = Recording(
        foreign_data("recordings/tesla_model3/candump-2021-12-08_151848.excerpt.log")
    )
    assert sum(1 for _ in recording) == 52_597
    assert recording.truncated is not None
    assert recording.truncated.where == "line 52598"
    assert recording.damaged_lines == 0


@pytest.mark.parametrize(
    ("last", "frames", "what"),
    [
        ("(1000.1) can0 100#01020", 50, "cut off in mid-frame: '(1000.1) can0 100#01020'"),
        ("(1000.1) can0 100#0102", 50, "cut off in mid-frame"),
        ("(1000.1) can0 100#", 50, "cut off"),
        ("(1000.1) can0 555#010", 50, "cut off"),
        ("(1000.1) can0 10", 50, "cut off"),
        ("(1", 50, "cut off"),
        ("(1000.1) can0 100#010203", 51, None),
        ("(1000.1) can0 555#01", 51, None),
        ("(1000.1) can0 100#010203\n", 51, None),
        ("(1000.1) can0 100#01\n", 51, None),
        ("rubbish\n", 50, "no frame"),
        ("\n\n", 50, None),
    ],
)
def test_the_last_line(tmp_path: Path, last: str, frames: int, what: str | None) -> None:
    recording = Recording(written(tmp_path, WHOLE + last))
    assert len(list(recording)) == frames
    if what is None:
        assert recording.truncated is None
    else:
        assert recording.truncated is not None
        assert what in recording.truncated.what
        assert recording.truncated.where == "line 51"
    assert recording.damaged_lines == 0


def test_a_bad_line_in_the_middle_costs_that_line_alone(tmp_path: Path) -> None:
    lines = [*LINES[:20], "(10", "(1000.1) can0 XYZ#01", *LINES[20:]]
    recording = Recording(written(tmp_path, "\n".join(lines) + "\n"))
    assert len(list(recording)) == 50
    assert (recording.truncated, recording.damaged_lines) == (None, 2)


def test_a_channel_of_several(tmp_path: Path) -> None:
    text = WHOLE + WHOLE.replace("can0", "can1").replace("0203", "0405")
    frames = list(Recording(written(tmp_path, text), channel="can1"))
    assert len(frames) == 50
    assert all(one.data.endswith(b"\x04\x05") for one in frames)


@pytest.mark.parametrize("name", ["drive.txt", "drive", "candump.2026"])
def test_candump_text_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    assert len(list(Recording(written(tmp_path, WHOLE, name)))) == 50


def test_a_cut_gzip_file_gives_what_it_held(tmp_path: Path) -> None:
    packed = gzip.compress((WHOLE * 200).encode())
    recording = Recording(written(tmp_path, packed[: len(packed) // 2], "drive.log.gz"))
    assert 1000 < len(list(recording)) < 10_000
    assert recording.truncated is not None
    assert "compressed file breaks off" in recording.truncated.what


def test_a_cut_binary_recording_gives_what_it_held(tmp_path: Path) -> None:
    file = tmp_path / "drive.blf"
    with can.Logger(file) as writer:
        for step in range(20_000):
            writer(
                can.Message(timestamp=1000 + step / 1000, arbitration_id=step % 2000, data=bytes(8))
            )
    cut = written(tmp_path, file.read_bytes()[: file.stat().st_size // 2], "cut.blf")
    recording = Recording(cut)
    assert 0 < len(list(recording)) < 20_000
    assert recording.truncated is not None
    assert recording.truncated.where.startswith("after frame ")
    whole = Recording(file)
    assert len(list(whole)) == 20_000
    assert whole.truncated is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("drive.blf", b"nothing of the kind", "is no recording that python-can can read"),
        ("drive.xyz", b"x", r"is no recording: its name ends in '.xyz' \(known: .log"),
        ("drive.dbc", b"VERSION", r"is no recording: its name ends in '.dbc' \(known: .log"),
        ("drive.log", b"", "holds no frame: it is empty"),
        (
            "drive.log",
            b"one\ntwo\n",
            "holds no frame that can be read.*; a .log is what candump -L writes",
        ),
        ("drive.log", b"\x00\xff\xfe" * 100, "holds no frame that can be read"),
        ("drive.db", b"SQLite format 3\x00" + bytes(100), "python-can can read|holds no frame"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    file = written(tmp_path, content, name)
    with pytest.raises(RecordingError, match=expected) as caught:
        list(Recording(file))
    assert str(file) in str(caught.value)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        Recording(tmp_path / "drive.log")
    with pytest.raises(RecordingError, match="cannot be read: Is a directory"):
        Recording(tmp_path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cut=st.integers(0, len(WHOLE)),
    junk=st.binary(max_size=20),
    name=st.sampled_from(["a.log", "a.asc", "a.trc", "a.csv"]),
)
def test_any_damage_gives_frames_or_a_recording_error(
    tmp_path: Path, cut: int, junk: bytes, name: str
) -> None:
    file = written(tmp_path, WHOLE.encode()[:cut] + junk, name)
    try:
        frames = len(list(Recording(file)))
    except RecordingError:
        frames = 0
    assert frames <= 51


@given(
    at=st.decimals(0, 10**9, places=6),
    number=st.one_of(
        st.integers(0, 0xFFF).map("{:03X}".format),
        st.integers(0, 0xFFFF_FFFF).map("{:08X}".format),
        st.sampled_from(["7ff", "1F", "00001", "123456789"]),
    ),
    rest=st.one_of(
        st.binary(max_size=9).map(lambda data: "#" + data.hex()),
        st.sampled_from(["#R", "#R8", "##1AABB", "#ABC", "#", "", "#AA R", "#AA T", "#AA X"]),
    ),
    channel=st.sampled_from(["can0", "0", "vcan-1"]),
)
def test_the_quick_way_reads_a_line_as_python_can_does(
    at: Decimal, number: str, rest: str, channel: str
) -> None:
    line = f"({at:.6f}) {channel} {number}{rest}\n"
    quick = _usual_line(line)
    if quick is None:
        return
    (message,) = CanutilsLogReader(io.StringIO(line))
    assert quick == (str(message.channel), frame_of(message))


def test_the_usual_line_is_read_the_quick_way() -> None:
    assert _usual_line("(1.5) can0 123#AABB\n") == (
        "can0",
        CanFrame(0x123, b"\xaa\xbb", timestamp_s=1.5),
    )
