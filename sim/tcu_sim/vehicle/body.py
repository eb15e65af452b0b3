"""Doors and lock motors as they really are, whatever CAN says. No I/O, time is an argument.

The history here is the bench's oracle: every position that a lock has left or reached, when, and who asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from random import Random

from tcu_sim.vehicle.reference import Door, LockPosition, LockSource

TRAVEL_S = (0.20, 0.40)
"""Least and most time a lock motor takes; each has its own, drawn once."""


@unique
class Jam(Enum):
    """How a lock can be stuck."""

    HOLDS = "holds"
    """The motor runs and gives up: the bolt is where it was."""
    HALFWAY = "halfway"
    """The bolt stops between the ends and is reported as moving for ever."""


@dataclass(frozen=True, slots=True)
class LockMovement:
    """One lock has reached another position. `began_s` is when its motor started, `at_s` when it arrived."""

    lock: Door
    position: LockPosition
    source: LockSource
    began_s: float
    at_s: float


@dataclass(slots=True)
class LockMotor:
    """One lock. While `arrives_s` is set, the motor runs."""

    position: LockPosition
    travel_s: float
    jam: Jam | None = None
    origin: LockPosition = LockPosition.LOCKED
    target: LockPosition = LockPosition.LOCKED
    began_s: float = 0.0
    arrives_s: float | None = None


class Body:
    """Five doors, five locks."""

    def __init__(self, *, rng: Random, travel_s: tuple[float, float] = TRAVEL_S) -> None:
        """All doors are closed and locked; `rng` draws the motors' times, within `travel_s`."""
        self.is_open = dict.fromkeys(Door, False)
        self.motors = {
            door: LockMotor(LockPosition.LOCKED, rng.uniform(*travel_s)) for door in Door
        }
        self.last_source = LockSource.NONE
        self.history: list[LockMovement] = []

    @property
    def locks(self) -> dict[Door, LockPosition]:
        """Where each lock is."""
        return {door: motor.position for door, motor in self.motors.items()}

    @property
    def is_moving(self) -> bool:
        """Whether a motor runs (a bolt that is stuck halfway has stopped)."""
        return any(motor.arrives_s is not None for motor in self.motors.values())

    def all_are(self, position: LockPosition) -> bool:
        """Whether all five locks are there."""
        return all(motor.position is position for motor in self.motors.values())

    def drive_locks(self, target: LockPosition, source: LockSource, *, now: float) -> None:
        """Start every motor that is not there yet."""
        self.last_source = source
        for motor in self.motors.values():
            if motor.position is target and motor.arrives_s is None:
                continue
            if motor.position is not LockPosition.MOVING:
                motor.origin = motor.position
            motor.position, motor.target = LockPosition.MOVING, target
            motor.began_s, motor.arrives_s = now, now + motor.travel_s

    def next_deadline(self) -> float | None:
        """Return when the next motor arrives."""
        return min(
            (m.arrives_s for m in self.motors.values() if m.arrives_s is not None), default=None
        )

    def advance(self, now: float) -> bool:
        """Let motors arrive; return whether one did."""
        arrived = [
            (door, motor)
            for door, motor in self.motors.items()
            if motor.arrives_s is not None and motor.arrives_s <= now
        ]
        for door, motor in arrived:
            self._arrive(door, motor)
        return bool(arrived)

    def _arrive(self, door: Door, motor: LockMotor) -> None:
        at_s = motor.arrives_s
        motor.arrives_s = None
        if motor.jam is Jam.HALFWAY or at_s is None:
            return
        motor.position = motor.origin if motor.jam is Jam.HOLDS else motor.target
        if motor.position is not motor.origin:
            self.history.append(
                LockMovement(door, motor.position, self.last_source, motor.began_s, at_s)
            )
