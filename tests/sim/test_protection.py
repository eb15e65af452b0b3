"""E2E and SecOC: the worked bytes of dbc/README.md, a foreign E2E implementation, freshness and lock-out."""

from __future__ import annotations

import e2e
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.database import Database
from tcu_sim.vehicle.e2e import E2eFault, E2eSender, crc8
from tcu_sim.vehicle.reference import COMMAND_DATA_ID
from tcu_sim.vehicle.secoc import Authentication, CommandReceiver, secured

KEY = bytes(range(16))
COMMAND = bytes([1, 7, 0, 0])


def command(freshness: int, payload: bytes = COMMAND) -> bytes:
    return secured(KEY, data_id=COMMAND_DATA_ID, payload=payload, freshness=freshness)


def test_crc8_check_value() -> None:
    # the catalogue's check for SAE J1850 with start value and final XOR 0xFF, brought to start 0 and no XOR
    assert crc8(b"123456789") == 0x37


def test_worked_bytes_of_the_button_and_the_locks() -> None:
    database = Database()
    button = database.frame(
        "OnCallButton", {"Crc": 0, "AliveCounter": 0, "OnCallButtonState": "Pressed"}
    )
    sender = E2eSender(0x01A0)
    sent = [sender.protect(button) for _ in range(6)]
    assert sent[5].data == bytes.fromhex("8c0501")
    locks = dict.fromkeys(
        ("LockFrontLeft", "LockFrontRight", "LockRearLeft", "LockRearRight", "LockTailgate"),
        "Locked",
    )
    status = database.frame(
        "DoorLockStatus", {"Crc": 0, "AliveCounter": 0, **locks, "LastLockSource": "Key"}
    )
    assert E2eSender(0x01B0).protect(status).data == bytes.fromhex("c7005505")


@given(st.binary(min_size=3, max_size=8), st.integers(0, 0xFFFF), st.integers(0, 40))
def test_a_foreign_implementation_accepts_every_frame(
    data: bytes, data_id: int, count: int
) -> None:
    sender = E2eSender(data_id)
    plain = bytes([0, data[1] & 0xF0]) + data[2:]
    frames = [sender.protect(Frame(arbitration_id=1, data=plain)) for _ in range(count + 1)]
    assert [frame.data[1] & 0x0F for frame in frames] == [n % 15 for n in range(count + 1)]
    assert e2e.p01.e2e_p01_check(bytearray(frames[-1].data), data_id)


@pytest.mark.parametrize("fault", [E2eFault.WRONG_CRC, E2eFault.STUCK_COUNTER])
def test_a_faulty_sender_is_wrong_in_one_thing_only(fault: E2eFault) -> None:
    sender = E2eSender(0x1A0)
    sender.fault = fault
    frames = [sender.protect(Frame(arbitration_id=1, data=bytes(3))).data for _ in range(3)]
    counters = [data[1] for data in frames]
    is_right = [data[0] == crc8(b"\xa0\x01" + data[1:]) for data in frames]
    if fault is E2eFault.WRONG_CRC:
        assert (counters, is_right) == ([0, 1, 2], [False] * 3)
    else:
        assert (counters, is_right) == ([0, 0, 0], [True] * 3)


def test_worked_bytes_of_command_and_freshness() -> None:
    assert command(0x142) == bytes.fromhex("0107000042523b0e")
    assert CommandReceiver(key=KEY, last_freshness=0x142).resync() == bytes.fromhex(
        "0000014242cc55f3"
    )


@given(last=st.integers(0, 0xFFFFFFFF - 2000), ahead=st.integers(1, 1500))
def test_up_to_1023_values_may_be_skipped(last: int, ahead: int) -> None:
    receiver = CommandReceiver(key=KEY, last_freshness=last)
    passed = receiver.judge(command(last + ahead), now=0.0) is Authentication.PASSED
    assert passed == (ahead <= 1024)
    assert receiver.last_freshness == (last + ahead if passed else last)


@given(last=st.integers(2000, 1 << 31), behind=st.integers(0, 1500))
def test_what_was_accepted_once_never_is_again(last: int, behind: int) -> None:
    receiver = CommandReceiver(key=KEY, last_freshness=last)
    assert receiver.judge(command(last - behind), now=0.0) is Authentication.FAILED
    assert receiver.last_freshness == last


@given(st.integers(0, 63))
def test_one_flipped_bit_fails(bit: int) -> None:
    data = bytearray(command(5))
    data[bit // 8] ^= 1 << bit % 8
    assert CommandReceiver(key=KEY).judge(bytes(data), now=0.0) is Authentication.FAILED


def test_three_failures_in_a_row_lock_out_for_a_minute() -> None:
    receiver = CommandReceiver(key=KEY)
    wrong = command(1)[:-1] + b"\x00"
    assert [receiver.judge(wrong, now=float(n)) for n in range(3)] == [Authentication.FAILED] * 3
    assert receiver.judge(command(1), now=61.9) is Authentication.LOCKED_OUT
    assert receiver.judge(command(1), now=62.0) is Authentication.PASSED


def test_a_right_one_in_between_starts_the_count_again() -> None:
    receiver = CommandReceiver(key=KEY)
    wrong = bytes(8)
    for freshness in (1, 2, 3):
        receiver.judge(wrong, now=0.0)
        receiver.judge(wrong, now=0.0)
        assert receiver.judge(command(freshness), now=0.0) is Authentication.PASSED


def test_the_last_freshness_value_of_all_is_usable_and_then_none() -> None:
    receiver = CommandReceiver(key=KEY, last_freshness=0xFFFF_FFFE)
    assert receiver.judge(command(0xFFFF_FFFF), now=0.0) is Authentication.PASSED
    assert receiver.judge(command(0xFFFF_FFFF), now=0.0) is Authentication.FAILED
