"""A node on the car's bus that should not be there: knows the DBC and every frame so far, has no SecOC key.

It can lie wherever a frame has no authenticator. The lock status is protected against faults (E2E), not against him:
with the right CRC and counter it is, as far as anybody on the bus can tell, what the car said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tcu_agent.ports import CanFrame
from tcu_sim.bench.can_bus import InMemoryBus
from tcu_sim.bench.simulation.watch import COMMAND, STATUS, Watch
from tcu_sim.bench.vehicle_run import VehicleRun
from tcu_sim.vehicle.database import Signals
from tcu_sim.vehicle.e2e import COUNTER_STEPS, crc8
from tcu_sim.vehicle.reference import E2E_DATA_IDS, Door, UsageMode

SHOWN: Final = ("Unlocked", "Locked", "Moving")
FRAMES_OF_A_FLOOD: Final = 120
ERROR_CLASSES: Final = (0x04, 0x40, 0x100)
"""Controller problem, bus-off, restarted (linux/can/error.h)."""
BYTES: Final = 8


class Intruder:
    """Sends one kind of frame at a time."""

    def __init__(self, *, bus: InMemoryBus, car: VehicleRun, watch: Watch) -> None:
        self._bus = bus
        self._car = car
        self._watch = watch
        self._database = car.vehicle.database
        self._ways: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "lock-status": self._lock_status,
            "usage-mode": self._usage_mode,
            "command": self._command,
            "replay": self._replay,
            "replay-command": self._replay_command,
            "dlc": self._dlc,
            "odd": self._odd,
            "wake": self._wake,
            "babble": self._babble,
        }

    def intrude(self, of: Mapping[str, Any]) -> None:
        """Do it, if there is anything yet that it needs."""
        self._ways[of["how"]](of)

    def _lock_status(self, of: Mapping[str, Any]) -> None:
        """Every second one has a wrong CRC: that nobody may believe."""
        shown = SHOWN[of["other"] % len(SHOWN)]
        locks = {f"Lock{door.in_dbc}": shown for door in Door}
        signals: Signals = {"Crc": 0, "AliveCounter": 0, "LastLockSource": "RemoteCommand", **locks}
        data = bytearray(self._database.frame(STATUS, signals).data)
        last = self._last(self._database.arbitration_id(STATUS))
        has_counter = last is not None and len(last.data) > 1  # it may be a cut one of our own
        counter = (last.data[1] & 0x0F) + 1 if last is not None and has_counter else 0
        data[1] = data[1] & 0xF0 | counter % COUNTER_STEPS
        data[0] = crc8(E2E_DATA_IDS[STATUS].to_bytes(2, "little") + data[1:]) ^ of["bit"] % 2
        self._put(CanFrame(self._database.arbitration_id(STATUS), bytes(data)))

    def _usage_mode(self, of: Mapping[str, Any]) -> None:
        mode = list(UsageMode)[of["other"] % len(UsageMode)]
        frame = self._database.frame("UsageMode", {"VehicleUsageMode": mode.value})
        self._put(CanFrame(frame.arbitration_id, frame.data))

    def _command(self, of: Mapping[str, Any]) -> None:
        """Unlock or lock, with an authenticator that is guessed."""
        guessed = (of["which"] * 2_654_435_761 + of["other"]).to_bytes(BYTES, "big")[-4:]
        data = bytes([1 + of["bit"] % 2, of["bit"] % 256, 0, 0]) + guessed
        self._put(CanFrame(self._database.arbitration_id(COMMAND), data))

    def _replay(self, of: Mapping[str, Any]) -> None:
        if self._bus.sent:
            self._put(self._bus.sent[of["which"] % len(self._bus.sent)])

    def _replay_command(self, of: Mapping[str, Any]) -> None:
        arbitration_id = self._database.arbitration_id(COMMAND)
        commands = [each for each in self._bus.sent if each.arbitration_id == arbitration_id]
        if commands:
            self._put(commands[of["which"] % len(commands)])

    def _dlc(self, of: Mapping[str, Any]) -> None:
        """A frame that was there, longer or shorter."""
        if self._bus.sent:
            frame = self._bus.sent[of["which"] % len(self._bus.sent)]
            self._put(replace(frame, data=(frame.data + bytes(BYTES))[: of["other"] % (BYTES + 1)]))

    def _odd(self, of: Mapping[str, Any]) -> None:
        """An identifier that the car uses, as a 29-bit one, as a remote frame, or an error frame."""
        if not self._bus.sent:
            return
        frame = self._bus.sent[of["which"] % len(self._bus.sent)]
        match of["other"] % 3:
            case 0:
                self._put(replace(frame, is_extended_id=True))
            case 1:
                self._put(replace(frame, data=b"", is_remote_frame=True))
            case _:
                error = ERROR_CLASSES[of["bit"] % len(ERROR_CLASSES)]
                self._put(CanFrame(error, bytes(BYTES), is_error_frame=True))

    def _wake(self, of: Mapping[str, Any]) -> None:
        """Network management of the BCM or of the TCU itself."""
        name = ("NmBcm", "NmTcu")[of["other"] % 2]
        self._put(CanFrame(self._database.arbitration_id(name), bytes(BYTES)))

    def _babble(self, of: Mapping[str, Any]) -> None:
        """A flood of one identifier, 0 or one that the car uses, all in one moment."""
        taken = self._bus.sent[of["which"] % len(self._bus.sent)] if self._bus.sent else None
        arbitration_id = taken.arbitration_id if taken is not None and of["bit"] % 2 else 0
        for number in range(FRAMES_OF_A_FLOOD):
            content = (of["other"] + number * 2_654_435_761) % 2**64
            self._put(CanFrame(arbitration_id, content.to_bytes(BYTES, "big")))

    def _last(self, arbitration_id: int) -> CanFrame | None:
        found = (each for each in reversed(self._bus.sent) if each.arbitration_id == arbitration_id)
        return next(found, None)

    def _put(self, frame: CanFrame) -> None:
        self._watch.is_intruder = True
        try:
            self._bus.put(frame)
        finally:
            self._watch.is_intruder = False
