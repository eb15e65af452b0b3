"""SecOC against a CMAC computed here, the published vectors, and a receiver built from the document alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.can.secoc import (
    LARGEST_FRESHNESS,
    RESERVED_BLOCK,
    FreshnessCounter,
    authenticator,
    is_authentic,
    secure,
)
from tcu_agent.adapters.mapping.mapping import SecocProtection
from tcu_agent.errors import StorageError
from tests.can.vehicle import KEY, cmac
from tests.foreign_data import foreign_data

CLASSIC = SecocProtection(data_id=0x00A0, key="k", freshness_bits=8, mac_bits=24)
FD = SecocProtection(data_id=0x00A0, key="k", freshness_bits=32, mac_bits=64)


@dataclass
class Disk:
    """What stays when the agent dies."""

    value: int = 0
    writes: list[int] = field(default_factory=list)
    broken: bool = False

    def load(self) -> int:
        if self.broken:
            raise StorageError("unreadable")
        return self.value

    def reserve(self, up_to: int) -> None:
        if self.broken:
            raise StorageError("full")
        self.writes.append(up_to)
        self.value = up_to


def test_the_example_of_the_document() -> None:
    frame = secure(bytes.fromhex("0107000000000000"), CLASSIC, KEY, 0x142)
    assert frame.hex(" ") == "01 07 00 00 42 52 3b 0e"


def test_the_fd_layout() -> None:
    payload = bytes(range(20))
    frame = secure(payload + bytes(12), FD, KEY, 0x01020304)
    assert frame == payload + bytes([1, 2, 3, 4]) + cmac(0x00A0, payload, 0x01020304)[:8]


def test_published_vectors_of_the_cmac() -> None:
    """The message of a vector is split into what SecOC puts together."""
    groups = json.loads(foreign_data("wycheproof/aes_cmac_test.json").read_text())["testGroups"]
    tried = 0
    for group in groups:
        for case in group["tests"]:
            message, key = bytes.fromhex(case["msg"]), bytes.fromhex(case["key"])
            if group["keySize"] != 128 or len(message) < 6 or group["tagSize"] != 128:
                continue
            tried += 1
            made = authenticator(
                key,
                data_id=int.from_bytes(message[:2], "big"),
                payload=message[2:-4],
                freshness_value=int.from_bytes(message[-4:], "big"),
            )
            assert (made == bytes.fromhex(case["tag"])) is (case["result"] == "valid"), case["tcId"]
    assert tried > 50


@given(st.integers(0, 63), st.integers(0, LARGEST_FRESHNESS))
def test_any_flipped_bit_or_other_freshness_is_not_authentic(
    bit: int, freshness_value: int
) -> None:
    frame = bytearray(secure(bytes(8), CLASSIC, KEY, freshness_value))
    assert is_authentic(bytes(frame), CLASSIC, KEY, freshness_value)
    frame[bit // 8] ^= 1 << bit % 8
    assert not is_authentic(bytes(frame), CLASSIC, KEY, freshness_value)
    other = (freshness_value + 256) & LARGEST_FRESHNESS
    assert not is_authentic(secure(bytes(8), CLASSIC, KEY, freshness_value), CLASSIC, KEY, other)


def test_values_start_at_one_and_are_reserved_in_blocks() -> None:
    disk = Disk()
    counter = FreshnessCounter(disk)
    assert disk.writes == []
    assert [counter.next() for _ in range(65)] == list(range(1, 66))
    assert disk.writes == [64, 128]
    assert RESERVED_BLOCK == 64


def test_restarts_alone_use_nothing_up() -> None:
    disk = Disk(value=64)
    for _ in range(10):
        FreshnessCounter(disk)
    assert FreshnessCounter(disk).next() == 65


@given(st.lists(st.sampled_from(["next", "crash", "resync"]), max_size=60), st.data())
def test_no_value_is_given_twice_through_crashes_and_resyncs(
    steps: list[str], data: st.DataObject
) -> None:
    disk, given_out, floor = Disk(), [0], 0
    counter = FreshnessCounter(disk)
    for step in steps:
        if step == "next":
            value = counter.next()
            assert value > max(given_out)
            assert value > floor
            assert value <= disk.value
            given_out.append(value)
        elif step == "crash":
            counter, floor = FreshnessCounter(disk), 0
        else:
            accepted = data.draw(st.integers(0, 2000))
            counter.accepted_by_receiver(accepted)
            floor = max(floor, accepted)


def test_a_receiver_that_is_ahead_is_followed_and_an_old_word_changes_nothing() -> None:
    disk = Disk()
    counter = FreshnessCounter(disk)
    counter.accepted_by_receiver(500)
    assert counter.next() == 501
    counter.accepted_by_receiver(400)
    assert counter.next() == 502
    assert disk.value >= 502


def test_without_the_disk_there_is_no_value() -> None:
    disk = Disk()
    counter = FreshnessCounter(disk)
    assert counter.next() == 1
    disk.broken = True
    with pytest.raises(StorageError):
        [counter.next() for _ in range(100)]
    with pytest.raises(StorageError):
        FreshnessCounter(disk).next()


def test_the_last_value_is_the_last() -> None:
    counter = FreshnessCounter(Disk(value=LARGEST_FRESHNESS - 1))
    assert counter.next() == LARGEST_FRESHNESS
    with pytest.raises(StorageError, match="key must be replaced"):
        counter.next()
