"""End-to-end protection of each profile: what the sender makes the receiver takes, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.can.e2e import CRC_WRONG, PROFILES, REPEATED, E2eReceiver, E2eSender
from tcu_agent.adapters.mapping.mapping import E2eProtection
from tests.can.vehicle import crc8

LENGTH = 32
ALL = pytest.mark.parametrize("profile", sorted(PROFILES))


def protection(profile: int, max_counter_delta: int = 1) -> E2eProtection:
    data_id = bytes(range(16)) if PROFILES[profile].takes_id_list else 0x1234
    return E2eProtection(profile=profile, data_id=data_id, max_counter_delta=max_counter_delta)


def receiver(tested: E2eProtection, length: int = LENGTH) -> E2eReceiver:
    return E2eReceiver(tested, length=length, restart_after_s=1.0)


def test_profile_1_by_hand() -> None:
    sender = E2eSender(E2eProtection(profile=1, data_id=0x1234))
    for counter in [*range(1, 15), 0, 1]:
        made = sender.protect(bytes([0xEE, 0xA0, 0x55, 0xAA]))
        assert made[1:] == bytes([0xA0 | counter, 0x55, 0xAA])
        assert made[0] == crc8(bytes([0x34, 0x12]) + made[1:])


@ALL
def test_a_receiver_takes_what_a_sender_makes(profile: int) -> None:
    sender, tested = E2eSender(protection(profile)), receiver(protection(profile))
    for step in range(40):
        assert tested.check(sender.protect(bytes([step] * LENGTH)), step * 0.1) is None
    assert tested.failures == 0


@ALL
def test_a_lost_frame_is_too_much_without_allowance_and_good_with_it(profile: int) -> None:
    for allowed, expected in ((1, False), (2, True)):
        sender = E2eSender(protection(profile))
        tested = receiver(protection(profile, max_counter_delta=allowed))
        frames = [sender.protect(bytes(LENGTH)) for _ in range(4)]
        assert tested.check(frames[0], 0.0) is None
        assert (tested.check(frames[2], 0.1) is None) is expected
        assert tested.check(frames[3], 0.2) is None


@ALL
def test_the_same_frame_again_is_repeated(profile: int) -> None:
    made = E2eSender(protection(profile)).protect(bytes(LENGTH))
    tested = receiver(protection(profile))
    assert tested.check(made, 0.0) is None
    assert tested.check(made, 0.1) == REPEATED


@ALL
@given(bit=st.integers(0, 8 * LENGTH - 1))
def test_every_flipped_bit_is_noticed(profile: int, bit: int) -> None:
    made = bytearray(E2eSender(protection(profile)).protect(bytes(range(LENGTH))))
    made[bit // 8] ^= 1 << bit % 8
    assert receiver(protection(profile)).check(bytes(made), 0.0) == CRC_WRONG


@ALL
@given(data=st.binary(max_size=64))
def test_no_bytes_make_it_raise(profile: int, data: bytes) -> None:
    tested = receiver(protection(profile))
    tested.check(data, 0.0)
    tested.threshold_reached()


def test_another_data_id_is_another_message() -> None:
    made = E2eSender(E2eProtection(profile=1, data_id=1)).protect(bytes(4))
    assert receiver(E2eProtection(profile=1, data_id=2), length=4).check(made, 0.0) == CRC_WRONG


@pytest.mark.parametrize("mode", ["both", "alternating", "low", "nibble"])
def test_modes_of_the_data_id(mode: str) -> None:
    mine = E2eProtection(profile=1, data_id=0x1234, data_id_mode=mode)
    made = E2eSender(mine).protect(bytes(4))
    assert receiver(mine, length=4).check(made, 0.0) is None


def test_an_offset_moves_the_header() -> None:
    moved = E2eProtection(profile=1, data_id=7, offset_bytes=2)
    sender, tested = E2eSender(moved), receiver(moved, length=8)
    for step in range(20):
        made = sender.protect(bytes([1, 2, 0, 0, 5, 6, 7, 8]))
        assert made[:2] == bytes([1, 2])
        assert made[3] == (step + 1) % 15
        assert tested.check(made, step * 0.1) is None
