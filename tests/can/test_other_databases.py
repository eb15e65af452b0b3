"""What the reference database does not have: 29-bit ids, multiplexing, signed, float and big-endian signals, CAN FD."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tcu_agent.adapters.can.commands import CommandEncoder
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.ports import CanFrame
from tests.can.test_secoc import Disk
from tests.can.vehicle import KEY, changes, cmac, crc8, values

# 2566843925 = 0x80000000 | 0x18FEEE15: a 29-bit id as a DBC writes it.
DBC = """VERSION ""
BU_: A B
BO_ 2566843925 Engine: 8 A
 SG_ Temperature : 0|8@1- (0.5,10) [0|0] "degC" B
 SG_ Ratio : 32|32@1- (1,0) [0|0] "" B
 SG_ Motorola : 15|16@0+ (1,0) [0|0] "" B
BO_ 800 Mixed: 8 A
 SG_ Selector M : 0|8@1+ (1,0) [0|0] "" B
 SG_ First m0 : 8|8@1+ (1,0) [0|0] "" B
 SG_ Second m1 : 8|8@1+ (1,0) [0|0] "" B
BO_ 900 Command: 32 B
 SG_ Order : 0|8@1+ (1,0) [0|0] "" A
 SG_ Number : 8|4@1+ (1,0) [0|0] "" A
BO_ 901 Long: 10 A
 SG_ Crc : 0|8@1+ (1,0) [0|0] "" B
 SG_ Alive : 8|4@1+ (1,0) [0|0] "" B
 SG_ Last : 72|8@1+ (1,0) [0|0] "" B
SIG_VALTYPE_ 2566843925 Ratio : 1;
"""
SIGNALS = "".join(
    f'[[signal]]\npath = "Vehicle.Test.{name}"\nmessage = "{message}"\nsignal = "{name}"\ntimeout_ms = 1000\n{more}\n'
    for message, name, more in [
        ("Engine", "Temperature", "factor = 1.8\noffset = 32"),
        ("Engine", "Ratio", ""),
        ("Engine", "Motorola", ""),
        ("Mixed", "First", ""),
        ("Mixed", "Second", ""),
        ("Long", "Last", ""),
    ]
)
COMMAND = """
[command.unlock]
message = "Command"
signals = { Order = 1, Number = "{counter}" }
[bus.x.secoc.Command]
data_id = 9
key = "k"
freshness_bits = 32
mac_bits = 64
[bus.x.e2e.Long]
profile = 1
data_id = 5
threshold = 3
"""
ENGINE = 0x18FEEE15


@pytest.fixture
def mapping(tmp_path: Path) -> VehicleMapping:
    (tmp_path / "x.dbc").write_text(DBC)
    file = tmp_path / "map.toml"
    file.write_text(f'schema = 1\n[bus.x]\ndbc = "x.dbc"\n{SIGNALS}{COMMAND}')
    return load_mapping(file)


@pytest.fixture
def decoder(mapping: VehicleMapping) -> SignalDecoder:
    return SignalDecoder(mapping, "x", started_at=0.0)


def engine(ratio: float, *, extended: bool = True) -> CanFrame:
    return CanFrame(
        ENGINE,
        b"\xf6\x01\x02\x00" + struct.pack("<f", ratio),
        is_extended_id=extended,
        timestamp_s=1.0,
    )


def test_a_29_bit_message_with_signed_float_and_big_endian_signals(decoder: SignalDecoder) -> None:
    assert values(decoder.receive(engine(0.25))) == {
        "Vehicle.Test.Temperature": (-10 * 0.5 + 10) * 1.8 + 32,
        "Vehicle.Test.Ratio": 0.25,
        "Vehicle.Test.Motorola": 0x0102,
    }


@pytest.mark.parametrize("ratio", [float("nan"), float("inf"), -float("inf")])
def test_a_float_that_is_no_number_is_unknown(decoder: SignalDecoder, ratio: float) -> None:
    assert values(decoder.receive(engine(ratio)))["Vehicle.Test.Ratio"] is None
    assert decoder.counters().unmapped_values == {"Vehicle.Test.Ratio": 1}


def test_a_multiplexed_signal_is_in_some_frames_only(decoder: SignalDecoder) -> None:
    first = decoder.receive(CanFrame(800, bytes([0, 5, 0, 0, 0, 0, 0, 0]), timestamp_s=1.0))
    second = decoder.receive(CanFrame(800, bytes([1, 6, 0, 0, 0, 0, 0, 0]), timestamp_s=1.1))
    assert values(first) == {"Vehicle.Test.First": 5}
    assert values(second) == {"Vehicle.Test.Second": 6}
    later = [
        CanFrame(800, bytes([1, 6, 0, 0, 0, 0, 0, 0]), timestamp_s=1.2 + step / 10)
        for step in range(12)
    ]
    assert changes([event for one in later for event in decoder.receive(one)]) == [
        ("Vehicle.Test.First", None, 2.0)
    ]


def test_an_unknown_selector_is_counted(decoder: SignalDecoder) -> None:
    assert decoder.receive(CanFrame(800, bytes([7, 6, 0, 0, 0, 0, 0, 0]), timestamp_s=1.0)) == []
    assert decoder.counters().decode_errors == {
        (800, False): {"expected multiplexer id 0 or 1, but got 7": 1}
    }


def test_somebody_who_tries_every_selector_fills_no_memory(decoder: SignalDecoder) -> None:
    for selector in range(256):
        decoder.receive(CanFrame(800, bytes([selector, 0, 0, 0, 0, 0, 0, 0]), timestamp_s=1.0))
    causes = decoder.counters().decode_errors[800, False]
    assert len(causes) <= 33
    assert sum(causes.values()) == 254


def test_a_can_fd_command_with_the_long_authenticator(mapping: VehicleMapping) -> None:
    encoder = CommandEncoder(
        mapping, keys={"k": KEY}, open_freshness=lambda _: Disk(value=0x01020303), first_counter=14
    )
    command = encoder.unlock()
    payload = bytes([1, 15]) + bytes(18)
    assert command.frame.is_fd
    assert command.frame.data == payload + bytes([1, 2, 3, 4]) + cmac(9, payload, 0x01020304)[:8]
    assert (command.counter, encoder.unlock().counter) == (15, 0)


@pytest.mark.parametrize(
    ("padding", "is_fd", "is_good"),
    [(2, True, True), (0, True, True), (6, True, False), (2, False, False), (1, True, False)],
)
def test_what_pads_an_fd_frame_is_cut_off_before_its_check(
    decoder: SignalDecoder, *, padding: int, is_fd: bool, is_good: bool
) -> None:
    """Ten bytes travel as twelve; the CRC covers ten."""
    content = bytes([1, 0, 0, 0, 0, 0, 0, 0, 42])
    data = bytes([crc8(b"\x05\x00" + content)]) + content + b"\xcc" * padding
    events = decoder.receive(CanFrame(901, data, is_fd=is_fd, timestamp_s=1.0))
    assert values(events) == ({"Vehicle.Test.Last": 42} if is_good else {})
    assert decoder.counters().e2e_errors == ({} if is_good else {"Long": {"length": 1}})
