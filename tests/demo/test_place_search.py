"""A place in what was published is found, half of one as well; and chance is none."""

import base64
import random
import struct

import cbor2
import pytest

from tcu_sim.demo.place_search import is_in_clear

NORTH, EAST = 577_087_000, -119_746_000
POSITIONS = [(1, 2), (481_234_567, 111_234_567), (NORTH, EAST)]
SIGNATURE = bytes(range(64))
BOOT_TIME, WALL_TIME = 7, 8


def published(values: object) -> bytes:
    """Return a signed message (which nobody checks here) with something among an event's values."""
    event = {0: "car-1", 5: 20, 6: 4, BOOT_TIME: 5, WALL_TIME: 1_790_000_000_000, 9: values}
    header = cbor2.dumps({1: -7, 4: bytes(8), 16: "tcu-event+cose"})
    return cbor2.dumps(cbor2.CBORTag(18, [header, {}, cbor2.dumps(event), SIGNATURE]))


@pytest.mark.parametrize(
    "half",
    [
        NORTH,
        EAST,
        NORTH + 120,
        NORTH // 10,
        EAST // 100,
        NORTH / 1e7,
        EAST / 1e7,
        "57.7087",
        "at 57.708700 or so",
        "-11.975",
        str(NORTH),
        cbor2.dumps(NORTH).hex(),
        base64.b64encode(cbor2.dumps([EAST])).decode(),
        base64.urlsafe_b64encode(cbor2.dumps(["~~~", EAST])).decode(),
        cbor2.dumps({2: NORTH}),
        struct.pack("<d", NORTH / 1e7),
        b"abc" + struct.pack(">d", EAST / 1e7) + b"xyz",
        {"a": [None, [NORTH]]},
    ],
    ids=repr,
)
def test_either_half_is_found_wherever_it_stands(half: object) -> None:
    assert is_in_clear(published({"Vehicle.TCU.Tow.SeenAt": half}), POSITIONS)
    assert not is_in_clear(published({"Vehicle.TCU.Tow.SeenAt": half}), POSITIONS[:2])


def test_it_is_found_in_what_is_no_message() -> None:
    pair = b"\xa2\x02" + cbor2.dumps(NORTH + 7) + b"\x03" + cbor2.dumps(EAST - 3)
    assert is_in_clear(b"\xff" + pair, POSITIONS)
    assert is_in_clear(b'{"latitude": 57.7087}', POSITIONS)
    assert is_in_clear(b"north 577087000", POSITIONS)
    assert is_in_clear(b"\xff" + struct.pack("<d", NORTH / 1e7), POSITIONS)


def test_a_time_that_happens_to_be_a_coordinate_is_none() -> None:
    """A car that was up for 6.7 days, or two hours: its times pass through the numbers of every place."""
    assert not is_in_clear(published({}), POSITIONS)
    message = cbor2.dumps({6: 4, BOOT_TIME: NORTH, WALL_TIME: NORTH, 9: {"a": True}})
    assert not is_in_clear(message, POSITIONS)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        65_000,
        1_790_000_000,
        "body",
        "57.7",
        "57.9087",
        5.77,
        -NORTH,
        "0" * 64,
    ],
    ids=repr,
)
def test_another_number_is_none(value: object) -> None:
    assert not is_in_clear(published({"a": value}), POSITIONS)


def test_nothing_is_found_where_no_position_is_known() -> None:
    assert not is_in_clear(published({"a": NORTH}), [])


def test_what_is_taken_apart_without_end_ends() -> None:
    endless = cbor2.dumps({"a": [[[[[[[[[[[[[[[[[[NORTH]]]]]]]]]]]]]]]]]]})
    assert not is_in_clear(endless, POSITIONS)
    assert not is_in_clear(b"\xd8\x1c\x81\xd8\x1d\x00", POSITIONS)  # an array that holds itself


def test_no_chance_finds_a_place_in_ciphertexts() -> None:
    """A thousand places and as many bytes that mean nothing; seeded, so that it is the same each time."""
    chance = random.Random(5)
    places = [(NORTH + 4_000 * each, EAST + 7_000 * each) for each in range(1000)]
    for _ in range(300):
        message = cbor2.dumps({2: bytes(16), 6: 9, 7: chance.randbytes(300)})
        assert not is_in_clear(message, places)
