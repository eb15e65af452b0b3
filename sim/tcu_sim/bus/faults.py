"""What can go wrong between a node and the bus, on purpose and repeatably.

A fault belongs to one node's link and acts on every frame that crosses it, in either direction,
each drawn anew. A real controller would hide a corrupted frame behind an error frame and send it
again; here a corrupted frame arrives, as it does from a broken gateway or an attacker. Error frames
are out of scope of slcan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tcu_sim.bus.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFaults:
    """Rates are probabilities 0..1 a frame; `delay_s` is how much later a delayed one comes.

    Delayed frames are overtaken by those that are not: with a rate below 1 order is lost.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    delay: float = 0.0
    delay_s: float = 0.05
    is_cut: bool = False

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "corrupt", "delay"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a probability from 0 to 1")
        if not 0.0 <= self.delay_s <= 60.0:
            raise ValueError("delay_s is 0 to 60 seconds")


@dataclass(slots=True)
class FaultCounters:
    """How often each fault has struck a link."""

    dropped: int = 0
    duplicated: int = 0
    corrupted: int = 0
    delayed: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """One frame that came through, so many seconds later."""

    frame: Frame
    after_s: float


def pass_through(
    frame: Frame, faults: LinkFaults, *, counters: FaultCounters, rng: Random
) -> list[Passage]:
    """Return what comes out at the other end of the link: none, one, or two frames."""
    if faults.is_cut:
        counters.cut += 1
        return []
    if _strikes(faults.drop, rng):
        counters.dropped += 1
        return []
    if _strikes(faults.corrupt, rng) and frame.data:
        counters.corrupted += 1
        frame = _with_flipped_bit(frame, rng)
    after_s = 0.0
    if _strikes(faults.delay, rng):
        counters.delayed += 1
        after_s = faults.delay_s
    copies = 1
    if _strikes(faults.duplicate, rng):
        counters.duplicated += 1
        copies = 2
    return [Passage(frame, after_s)] * copies


def _strikes(rate: float, rng: Random) -> bool:
    """Draw only for faults that are on, so that the others do not change its sequence."""
    return rate > 0.0 and rng.random() < rate


def _with_flipped_bit(frame: Frame, rng: Random) -> Frame:
    bit = rng.randrange(8 * len(frame.data))
    data = bytearray(frame.data)
    data[bit // 8] ^= 1 << bit % 8
    return replace(frame, data=bytes(data))
