"""A vehicle on a clock that the test moves by hand, and the other end of its bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.reference import BENCH_SECOC_KEY, COMMAND_DATA_ID, LockPosition
from tcu_sim.vehicle.secoc import secured
from tcu_sim.vehicle.vehicle import TimedFrame, Vehicle, VehicleSettings

COMMAND_VALUES = {LockPosition.UNLOCKED: 1, LockPosition.LOCKED: 2}


class Stepped:
    """`now` starts at 1000 s: nothing may depend on a clock that begins at zero."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1000.0
        self.vehicle = Vehicle(VehicleSettings(**settings), now=self.now)
        self.person = Person(self.vehicle)
        self.frames: list[TimedFrame] = []
        self.freshness = 0
        self.counter = 0

    def advance(self, seconds: float) -> list[TimedFrame]:
        """Let time pass; returns what was sent meanwhile."""
        until = self.now + seconds
        sent = self.vehicle.advance(until=until, now=self.now)
        self.now = until
        self.frames += sent
        return sent

    def put(self, frame: Frame) -> None:
        """Another node sends this frame."""
        self.frames += (
            TimedFrame(self.now, sent) for sent in self.vehicle.receive(frame, self.now)
        )

    def put_message(self, name: str, signals: Mapping[str, int | str]) -> None:
        self.put(self.vehicle.database.frame(name, signals))

    def wake_by_network(self) -> None:
        signals: dict[str, int | str] = {
            "TcuNodeId": 1,
            "TcuRepeatMessage": 1,
            "TcuActiveWakeup": 1,
        }
        self.put_message("NmTcu", {**signals, "TcuWakeReason": "RemoteService"})

    def command(self, target: LockPosition, *, key: bytes = BENCH_SECOC_KEY) -> Frame:
        """The next command of an agent that holds the key."""
        self.freshness += 1
        self.counter = self.counter % 255 + 1
        payload = bytes([COMMAND_VALUES[target], self.counter, 0, 0])
        data = secured(key, data_id=COMMAND_DATA_ID, payload=payload, freshness=self.freshness)
        return Frame(
            arbitration_id=self.vehicle.database.arbitration_id("CentralLockCommand"), data=data
        )

    def unlock(self) -> None:
        self.put(self.command(LockPosition.UNLOCKED))

    def lock(self) -> None:
        self.put(self.command(LockPosition.LOCKED))

    def all(self, name: str, *, since: float = 0.0) -> list[Mapping[str, int | float | str]]:
        """Every message of that name so far, decoded."""
        decoded = [
            self.vehicle.database.decoded(timed.frame)
            for timed in self.frames
            if timed.at_s >= since
        ]
        return [
            message.signals for message in decoded if message is not None and message.name == name
        ]

    def last(self, name: str) -> Mapping[str, int | float | str]:
        return self.all(name)[-1]

    def locks_shown(self) -> set[int | float | str]:
        """What the lock status says about the five locks."""
        return {
            value for name, value in self.last("DoorLockStatus").items() if name.startswith("Lock")
        }
