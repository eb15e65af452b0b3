"""A full bus, frame by frame: the reference vehicle's own frames when it sends them, strangers in every gap.

How long a frame occupies the wire is counted to the bit, its own stuff bits included, so that "full" is no estimate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import cycle
from random import Random
from typing import Final

from benchmarks.load_player import Sent
from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.socketcan.frames import pack
from tcu_agent.ports import CanFrame
from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.reference import Door
from tcu_sim.vehicle.vehicle import TimedFrame, Vehicle, VehicleSettings

BIT_RATE: Final = 500_000
DOORS: Final = (Door.FRONT_LEFT, Door.FRONT_RIGHT, Door.REAR_LEFT, Door.REAR_RIGHT)
"""They move in turn: which event belongs to which movement stays plain, however late it is."""
QUIET_S: Final = 2.0
"""Before the first door moves and after the last has: the car is unlocked, and what is on its way arrives."""
CHANGE_S: Final = (0.2, 0.4)
"""From one movement of a door to the next, shortest and longest; steadier than the debounce of 50 ms."""
_CRC_15: Final = 0x4599
_UNSTUFFED_BITS: Final = 13
"""CRC delimiter, acknowledgement, end of frame, and the three bits before the next. Source: ISO 11898-1."""
_STUFF_AFTER: Final = 5
_STRANGERS: Final = 512
_GNSS: Final = {768, 769}
"""GnssPosition and GnssQuality, eight bytes and no counter: they may be repeated. Source: dbc/reference.dbc."""
_CLASSIC_BYTES, _FD_BYTES = 8, 64


class Kind(Enum):
    """What fills the gaps between the car's frames.

    `MAPPED`: the car's own GNSS frames again and again, so that the kernel can leave nothing out; `FD_MAPPED`: the
    same as FD frames of eight bytes. `FD`: strangers, which never get as far as the agent.
    """

    STRANGERS = "500 kbit/s full"
    MAPPED = "500 kbit/s full, all of it mapped"
    FD = "CAN FD, twice the frames, all but the car's left out by the kernel"
    FD_MAPPED = "500 kbit/s full of CAN FD frames, all of it mapped"

    @property
    def is_fd(self) -> bool:
        """Whether the bus has FD frames."""
        return self in {Kind.FD, Kind.FD_MAPPED}

    @property
    def is_mapped(self) -> bool:
        """Whether every frame is one that the mapping names."""
        return self in {Kind.MAPPED, Kind.FD_MAPPED}


@dataclass(frozen=True, slots=True)
class _Filler:
    """A frame, and how many bits it has on the wire; with CAN FD those of its first eight bytes."""

    raw: bytes
    bits: int


def full_bus(*, seconds: float, wanted: frozenset[FrameKey], kind: Kind, seed: int) -> list[Sent]:
    """Return all frames of a full bus; with `Kind.FD` twice as many a second, those of strangers with 64 bytes."""
    bits_a_second = BIT_RATE * (2 if kind is Kind.FD else 1)
    car = deque(_car(seconds, Random(seed)))  # noqa: S311 -- only when a door moves
    rng = Random(seed)  # noqa: S311 -- only noise
    fillers = cycle(_mapped(car, kind) if kind.is_mapped else _strangers(wanted, kind, rng))
    sent: list[Sent] = []
    at_s = 0.0
    while at_s < seconds:
        if car and car[0].at_s <= at_s:
            frame = car.popleft().frame
            sent.append(Sent(at_s, _raw(frame), (frame.arbitration_id, False) in wanted))
            bits = wire_bits(frame.arbitration_id, frame.data)
        else:
            filler = next(fillers)
            sent.append(Sent(at_s, filler.raw, kind.is_mapped))
            bits = filler.bits
        at_s += bits / bits_a_second
    return sent


def _raw(frame: Frame, *, is_fd: bool = False) -> bytes:
    return pack(CanFrame(frame.arbitration_id, frame.data, is_fd=is_fd))


def _mapped(car: Iterable[TimedFrame], kind: Kind) -> list[_Filler]:
    frames = [each.frame for each in car if each.frame.arbitration_id in _GNSS]
    return [
        _Filler(_raw(each, is_fd=kind.is_fd), wire_bits(each.arbitration_id, each.data))
        for each in frames
    ]


def _strangers(wanted: frozenset[FrameKey], kind: Kind, rng: Random) -> list[_Filler]:
    free = [number for number in range(0x7FF) if (number, False) not in wanted]
    is_fd = kind is Kind.FD
    found = []
    for _ in range(_STRANGERS):
        number, data = rng.choice(free), rng.randbytes(_FD_BYTES)
        short = data[:_CLASSIC_BYTES]
        raw = pack(CanFrame(number, data if is_fd else short, is_fd=is_fd))
        found.append(_Filler(raw, wire_bits(number, short)))
    return found


def _car(seconds: float, rng: Random) -> Iterator[TimedFrame]:
    """Play a car whose doors open and close, at moments that fit no cycle."""
    now = 0.0
    vehicle = Vehicle(VehicleSettings(sleep_after_s=2 * seconds), now=now)
    person = Person(vehicle)
    person.enter(now=now)
    until = QUIET_S
    for door in cycle(DOORS):
        yield from vehicle.advance(until=min(until, seconds), now=now)
        now = until
        if now > seconds - QUIET_S:
            yield from vehicle.advance(until=seconds, now=now)
            return
        move = person.close_door if vehicle.doors[door] else person.open_door
        move(door, now=now)
        until = now + rng.uniform(*CHANGE_S)


@cache
def wire_bits(number: int, data: bytes) -> int:
    """Return how many bits a frame with 11 bits of identifier takes, stuff bits and the pause behind it included."""
    head = f"0{number:011b}000{len(data):04b}"
    body = head + "".join(f"{byte:08b}" for byte in data)
    stuffable = body + f"{_crc(body):015b}"
    return len(stuffable) + _stuff_bits(stuffable) + _UNSTUFFED_BITS


def _crc(bits: str) -> int:
    register = 0
    for bit in bits:
        feedback = (register >> 14) ^ int(bit)
        register = (register << 1) & 0x7FFF
        if feedback:
            register ^= _CRC_15
    return register


def _stuff_bits(bits: str) -> int:
    """Count them: after five equal bits one of the other kind, which is the first of the next run."""
    count, run, last = 0, 0, ""
    for bit in bits:
        run = run + 1 if bit == last else 1
        last = bit
        if run == _STUFF_AFTER:
            count += 1
            last, run = ("1" if bit == "0" else "0"), 1
    return count
