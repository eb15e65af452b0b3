"""What the observer makes of frames, written here bit by bit from dbc/README.md's layout."""

from pathlib import Path

import cantools
import pytest
from cantools.database.can import Database

from tcu_sim.demo.can_watch import CanWatch
from tcu_sim.errors import BadInput

DBC = Path(__file__).resolve().parents[2] / "dbc" / "reference.dbc"
ALL_LOCKED = bytes([0, 0, 0b01010101, 0b01])
FRONT_LEFT_UNLOCKED = bytes([0, 1, 0b01010100, 0b01])


@pytest.fixture
def watch() -> CanWatch:
    return CanWatch(DBC)


def test_a_command_is_told_each_time(watch: CanWatch) -> None:
    frame = bytes([1, 7, 0, 0, 9, 1, 2, 3])
    sighting = {"what": "command", "command": "UnlockAll", "counter": 7}
    assert list(watch.take(160, frame)) == [sighting]
    assert list(watch.take(160, frame)) == [sighting]


def test_a_lock_is_told_when_it_changes_and_protection_bytes_never(watch: CanWatch) -> None:
    first = list(watch.take(432, ALL_LOCKED))
    assert {sighting["signal"]: sighting["value"] for sighting in first} == {
        "LockFrontLeft": "Locked",
        "LockFrontRight": "Locked",
        "LockRearLeft": "Locked",
        "LockRearRight": "Locked",
        "LockTailgate": "Locked",
        "LastLockSource": "None",
    }
    assert list(watch.take(432, ALL_LOCKED)) == []
    assert list(watch.take(432, FRONT_LEFT_UNLOCKED)) == [
        {"what": "signal", "signal": "LockFrontLeft", "value": "Unlocked", "before": "Locked"}
    ]


def test_each_frame_of_the_tcu_is_a_tick(watch: CanWatch) -> None:
    assert [s["what"] for s in watch.take(784, bytes([0, 0]))] == ["signal", "signal", "tick"]
    assert [s["what"] for s in watch.take(784, bytes([0, 0]))] == ["tick"]


def test_a_position_is_kept_and_not_told(watch: CanWatch) -> None:
    frame = (577_087_000).to_bytes(4, "little") + (-119_746_000).to_bytes(4, "little", signed=True)
    assert list(watch.take(768, frame)) == []
    assert list(watch.positions) == [(577_087_000, -119_746_000)]


def test_a_short_frame_is_told_and_an_unknown_one_is_not(watch: CanWatch) -> None:
    assert list(watch.take(432, b"\x00")) == [{"what": "undecodable", "message": "DoorLockStatus"}]
    assert list(watch.take(0x7FF, b"\x00")) == []


def test_another_database_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.dbc"
    cantools.database.dump_file(Database(), other)
    with pytest.raises(BadInput, match="no message"):
        CanWatch(other)
    with pytest.raises(BadInput, match="cannot be read"):
        CanWatch(tmp_path / "none.dbc")
