"""May this car be unlocked now, and what do its locks say? Pure questions to its signals.

Only fresh signals count (seen within `fresh_s`): speed, usage mode and every mapped lock. What is not known fresh is
not known, and an unlock that knows too little waits or is refused; it never guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import LockState, Reason

MOTION: Final = (vss.SPEED_KMH, vss.USAGE_MODE)
"""What shows a car under way."""


def refusal(vehicle: VehicleState, settings: CoreSettings, now: float) -> Reason:
    """Return why the car may not be unlocked now; `NONE` if it may, `SIGNALS_UNKNOWN` if that is not known yet."""
    speed = vehicle.fresh(vss.SPEED_KMH, now)
    mode = vehicle.fresh(vss.USAGE_MODE, now)
    if is_driven(speed, mode):
        return Reason.VEHICLE_MOVING
    if mode is not None and mode not in settings.unlock_modes:
        return Reason.USAGE_MODE
    locks = [vehicle.fresh(path, now) for path in settings.locks]
    if speed is None or mode is None or None in locks:
        return Reason.SIGNALS_UNKNOWN
    return Reason.NONE


def unseen(vehicle: VehicleState, paths: Iterable[str], *, since: float) -> str:
    """Return those of the signals that were not seen since then (CLOCK_BOOTTIME, s), for a log."""
    return " ".join(path for path in paths if vehicle.since(path, since) is None)


def is_driven(speed: object, mode: object) -> bool:
    """Whether these values show a car under way (None shows nothing)."""
    return mode == "driving" or (isinstance(speed, int | float) and speed != 0)


def shows_driving(changes: Iterable[Change]) -> bool:
    """Whether these changes show a car under way."""
    new = {change.path: change.new for change in changes}
    return is_driven(new.get(vss.SPEED_KMH), new.get(vss.USAGE_MODE))


def lock_states(
    vehicle: VehicleState, locks: Iterable[str], *, since: float
) -> Mapping[int, LockState]:
    """Return each lock as its status said it after `since` (CLOCK_BOOTTIME, s), by lock number."""
    return {vss.DOOR_LOCKS.index(path): _lock_state(vehicle.since(path, since)) for path in locks}


def all_are(states: Mapping[int, LockState], wanted: LockState) -> bool:
    """Whether every lock is seen in this state."""
    return bool(states) and set(states.values()) == {wanted}


def _lock_state(value: object) -> LockState:
    if value is True:
        return LockState.LOCKED
    return LockState.UNLOCKED if value is False else LockState.UNKNOWN
