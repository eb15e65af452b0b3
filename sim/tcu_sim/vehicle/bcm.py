"""BCM, the body control module: the ECU that owns locks, alarm and usage mode, and keeps the bus awake.

What it does with the central locking command: `command_gate`, `secoc`, `central_locking`. What it says: `bcm_content`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from tcu_sim.bus.frame import Frame
from tcu_sim.vehicle import bcm_content
from tcu_sim.vehicle.alarm import Alarm, AlarmState
from tcu_sim.vehicle.body import Body
from tcu_sim.vehicle.central_locking import CentralLocking, Verdict
from tcu_sim.vehicle.command_gate import CommandGate
from tcu_sim.vehicle.database import Decoded, Signals
from tcu_sim.vehicle.ecu import Ecu, Wiring
from tcu_sim.vehicle.reference import Door, LockPosition, LockSource, UsageMode
from tcu_sim.vehicle.secoc import CommandReceiver

NODE_ID: Final = 2
REQUEST_HOLD_S: Final = 10.0
"""How long the bus is kept awake after the TCU's last NmTcu: time to judge fresh signals and to act."""
MOTION_FRESH_S: Final = 0.5
"""Older than five cycles of VehicleMotion, a speed is no longer believed."""
LONG_AGO: Final = float("-inf")


ON_CHANGE: Final = (
    "CentralLockResponse",
    "DoorLockStatus",
    "DoorStatus",
    "TailgatePlate",
    "AlarmStatus",
    "UsageMode",
)
"""Messages that are sent at once when their content has changed, besides their cycle."""


HEARS: Final = ("CentralLockCommand", "VehicleMotion")


@dataclass(slots=True)
class Occupancy:
    """Who is in the vehicle, and what is switched on: ignition ``off``, ``convenience`` or ``active``."""

    is_inside: bool = False
    ignition: str = "off"
    parks: bool = False
    """Switch off as soon as the vehicle stands."""


class BodyControl(Ecu):
    """The BCM."""

    def __init__(
        self, wiring: Wiring, *, body: Body, receiver: CommandReceiver, sleep_after_s: float
    ) -> None:
        """`sleep_after_s`: how long after the last thing that happened the BCM wants the bus awake."""
        super().__init__(wiring, messages=("NmBcm", "SecocFreshness", *ON_CHANGE), hears=HEARS)
        self.body, self.locking = body, CentralLocking(body)
        self.alarm, self.occupancy = Alarm(), Occupancy()
        self.gate = CommandGate(receiver, self.locking, [])
        self.relock_after_s: float | None = None
        """Misbehaviour: lock unasked so long after each remote unlock, unless a door was opened."""
        self.sleep_after_s = sleep_after_s
        self._relock_at_s: float | None = None
        self._plate_until_s: float | None = None
        self._timer_until_s = self._request_until_s = LONG_AGO
        self._speed_kmh, self._speed_at_s = 0.0, LONG_AGO
        self._sent: dict[str, Signals] = {}
        self._wants_network = False
        self._woke_by_itself = False

    def activity(self, now: float) -> None:
        """Something happened at the vehicle: the bus is wanted."""
        self._timer_until_s = max(self._timer_until_s, now + self.sleep_after_s)
        self._woke_by_itself = self._woke_by_itself or not self.is_awake
        self.stay_awake(now)

    def want_sleep(self) -> None:
        """End every timer that keeps the bus awake; a reason that still holds does so all the same."""
        self._timer_until_s = self._request_until_s = LONG_AGO

    def move_locks(self, target: LockPosition, source: LockSource, *, now: float) -> None:
        """Lock or unlock with the key or the inside button; the key switches the alarm off."""
        self.activity(now)
        self._relock_at_s = None
        self.locking.someone_else_moves()
        self.body.drive_locks(target, source, now=now)
        if source is LockSource.KEY and target is LockPosition.UNLOCKED:
            self.alarm.disarm()

    def door_moved(self, door: Door, *, is_open: bool, now: float) -> None:
        """A door was opened or closed."""
        self.activity(now)
        self.body.is_open[door] = is_open
        if is_open:
            self._relock_at_s = None
            self.alarm.break_in(now=now)

    def press_plate(self, for_s: float, *, now: float) -> None:
        """Press the tailgate's plate."""
        self.activity(now)
        self._plate_until_s = now + for_s

    @property
    def usage_mode(self) -> UsageMode:
        """How the vehicle is used."""
        if self.occupancy.ignition == "active":
            return UsageMode.DRIVING if self._speed_kmh > 0 else UsageMode.ACTIVE
        if self.occupancy.ignition == "convenience":
            return UsageMode.CONVENIENCE
        is_left = not self.occupancy.is_inside and self.body.all_are(LockPosition.LOCKED)
        return UsageMode.ABANDONED if is_left else UsageMode.INACTIVE

    def stays_awake_for(self, now: float) -> str:
        """Return why the bus is wanted, as the DBC calls it; ``Nothing`` lets it sleep."""
        in_use = self.occupancy.ignition != "off" or self.alarm.state is AlarmState.TRIGGERED
        if in_use or self.body.is_moving:
            return "Usage"
        if now < self._request_until_s:
            return "Request"
        return "Timer" if now < self._timer_until_s else "Nothing"

    @override
    def heard(self, frame: Frame, message: Decoded | None, now: float) -> None:
        if frame.arbitration_id == self._database.arbitration_id("CentralLockCommand"):
            self._take_command(frame, now)
        elif message is not None and message.name == "NmTcu":
            self._request_until_s = now + REQUEST_HOLD_S
        elif message is not None and message.name == "VehicleMotion":
            self._speed_kmh, self._speed_at_s = float(message.signals["VehicleSpeed"]), now
            if self.occupancy.parks and self._speed_kmh == 0:
                self.occupancy.ignition, self.occupancy.parks = "off", False

    @override
    def overslept(self, frame: Frame, now: float) -> None:
        if frame.arbitration_id == self._database.arbitration_id("CentralLockCommand"):
            self.gate.oversleep(frame, now)

    def _take_command(self, frame: Frame, now: float) -> None:
        is_driving = self._speed_kmh > 0 and now - self._speed_at_s <= MOTION_FRESH_S
        record = self.gate.take(frame, is_driving=is_driving, now=now)
        if record.verdict is Verdict.AUTHENTICATION_FAILED:
            self.transmitter.trigger("SecocFreshness", now)
        if record.verdict is Verdict.ACCEPTED:
            self._timer_until_s = max(self._timer_until_s, now + self.sleep_after_s)
            relocks = record.target is LockPosition.UNLOCKED and self.relock_after_s is not None
            self._relock_at_s = now + (self.relock_after_s or 0.0) if relocks else None

    @override
    def advance(self, now: float) -> None:
        self._settle_locks(now)
        self.locking.advance(now)
        self.alarm.advance(now)
        if self._plate_until_s is not None and self._plate_until_s <= now:
            self._plate_until_s = None
        self._keep_network(now)
        if self.is_awake:
            self._trigger_changes(now)

    def _settle_locks(self, now: float) -> None:
        if self._relock_at_s is not None and self._relock_at_s <= now:
            self._relock_at_s = None
            self.locking.someone_else_moves()
            self.body.drive_locks(LockPosition.LOCKED, LockSource.AUTOMATIC, now=now)
        if not self.body.advance(now) or self.body.is_moving:
            return
        if not self.body.all_are(LockPosition.LOCKED):
            if self.body.last_source is LockSource.REMOTE_COMMAND:
                self.alarm.disarm()
        elif not (any(self.body.is_open.values()) or self.occupancy.is_inside):
            self.alarm.arm()

    def _keep_network(self, now: float) -> None:
        """Send NmBcm while the bus is wanted; its last one announces sleep."""
        if self.stays_awake_for(now) == "Nothing":
            self._announce_sleep(now)
        elif self.is_awake:
            self._wants_network = True
            self.stay_awake(now)
            self.transmitter.start_cycle("NmBcm", now)
        else:
            self.activity(now)

    def _announce_sleep(self, now: float) -> None:
        """Send one last NmBcm, from which all nodes count: so they fall silent together."""
        if self._wants_network and self.is_awake:
            self.transmitter.stop_cycle("NmBcm")
            self.transmitter.trigger("NmBcm", now)
            self.stay_awake(now)
        self._wants_network = self._woke_by_itself = False

    def _trigger_changes(self, now: float) -> None:
        """Send every message at once whose content is not what was sent last."""
        for name in ON_CHANGE:
            content = self.content(name, now)
            if self._sent.get(name, content) != content:
                self.transmitter.trigger(name, now)
            self._sent[name] = content

    @override
    def woke_up(self, now: float) -> None:
        if self._woke_by_itself:
            self.transmitter.trigger("NmBcm", now)

    @override
    def deadlines(self) -> Sequence[float | None]:
        parts = (
            self.body.next_deadline(),
            self.locking.next_deadline(),
            self.alarm.next_deadline(),
        )
        return (self._relock_at_s, self._plate_until_s, *parts)

    @override
    def content(self, name: str, now: float) -> Signals:
        match name:
            case "CentralLockResponse":
                return bcm_content.lock_response(self.locking)
            case "SecocFreshness":
                return bcm_content.freshness(self.gate.receiver)
            case "DoorLockStatus":
                return bcm_content.lock_status(self.body, self.locking)
            case "DoorStatus":
                return bcm_content.door_status(self.body)
            case "TailgatePlate":
                return bcm_content.plate(self._plate_until_s is not None)
            case "AlarmStatus":
                return bcm_content.alarm_status(self.alarm)
            case "UsageMode":
                return {"VehicleUsageMode": self.usage_mode.value}
            case _:
                return self._network_management(now)

    def _network_management(self, now: float) -> Signals:
        return {
            "BcmNodeId": NODE_ID,
            "BcmRepeatMessage": 0,
            "BcmActiveWakeup": int(self._woke_by_itself),
            "BcmStayAwake": self.stays_awake_for(now),
        }
