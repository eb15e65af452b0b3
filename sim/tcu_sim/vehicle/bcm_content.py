"""What the BCM's messages say, from its parts. Signal names are the DBC's."""

from __future__ import annotations

from typing import Final

from tcu_sim.vehicle.alarm import Alarm
from tcu_sim.vehicle.body import Body
from tcu_sim.vehicle.central_locking import CentralLocking
from tcu_sim.vehicle.database import Signals
from tcu_sim.vehicle.reference import Door, LockSource
from tcu_sim.vehicle.secoc import PAYLOAD_BYTES, CommandReceiver

LOCKS: Final = {door: f"Lock{door.in_dbc}" for door in Door}
DOORS: Final = {door: f"Door{door.in_dbc}" for door in Door}


def lock_response(locking: CentralLocking) -> Signals:
    """CentralLockResponse."""
    return {"LockResponse": locking.response.state, "CommandCounterEcho": locking.response.counter}


def freshness(receiver: CommandReceiver) -> Signals:
    """SecocFreshness."""
    secured = receiver.resync()
    return {
        "LastFreshness": receiver.last_freshness,
        "ResyncFreshness": secured[PAYLOAD_BYTES],
        "ResyncAuthenticator": int.from_bytes(secured[PAYLOAD_BYTES + 1 :], "big"),
    }


def lock_status(body: Body, locking: CentralLocking) -> Signals:
    """DoorLockStatus: the truth, unless the central locking lies."""
    locks, source = body.locks, body.last_source
    if locking.pretended is not None:
        locks, source = locking.pretended, LockSource.REMOTE_COMMAND
    shown = {LOCKS[door]: position.value for door, position in locks.items()}
    return {**shown, "LastLockSource": source.value}


def door_status(body: Body) -> Signals:
    """DoorStatus."""
    return {DOORS[door]: "Open" if is_open else "Closed" for door, is_open in body.is_open.items()}


def plate(is_pressed: bool) -> Signals:
    """TailgatePlate."""
    return {"PlateState": "Pressed" if is_pressed else "Released"}


def alarm_status(alarm: Alarm) -> Signals:
    """AlarmStatus."""
    return {"AlarmState": alarm.state.value}
