"""What people do at a vehicle: doors, key, buttons, driving. Each method is one act at one time."""

from __future__ import annotations

from typing import Final

from tcu_sim.errors import NotPossible
from tcu_sim.vehicle.reference import Door, LockPosition, LockSource
from tcu_sim.vehicle.vehicle import Vehicle

PRESS_S: Final = 0.5
"""How long a finger stays on a button when nothing else is said."""


class Person:
    """Someone at the vehicle. What the world does not allow raises `NotPossible` and changes nothing."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle = vehicle
        self._bcm = vehicle.bcm

    def press_on_call(self, for_s: float = PRESS_S, *, bounces: int = 0, now: float) -> None:
        """Press the ON CALL button; see `OverheadConsole.press`."""
        self._bcm.activity(now)
        self._vehicle.on_call.press(for_s, bounces=bounces, now=now)

    def set_on_call(self, state: str, *, now: float) -> None:
        """Hold the button, let it go or break it; see `OverheadConsole.set_state`."""
        self._bcm.activity(now)
        self._vehicle.on_call.set_state(state, now=now)

    def press_plate(self, for_s: float = PRESS_S, *, now: float) -> None:
        """Press the tailgate's plate; an unlocked tailgate opens."""
        self._bcm.press_plate(for_s, now=now)
        if (
            self._vehicle.locks[Door.TAILGATE] is LockPosition.UNLOCKED
            and self._vehicle.motion.is_standing
        ):
            self._bcm.door_moved(Door.TAILGATE, is_open=True, now=now)

    def open_door(self, door: Door, *, by_force: bool = False, now: float) -> None:
        """Open a door that is unlocked, from inside any of the four, or by force.

        Raises:
            NotPossible: it is locked, and nobody is inside.
        """
        from_inside = self._bcm.occupancy.is_inside and door is not Door.TAILGATE
        if self._vehicle.locks[door] is not LockPosition.UNLOCKED and not (from_inside or by_force):
            raise NotPossible(f"{door.value} is {self._vehicle.locks[door].value.lower()}")
        self._bcm.door_moved(door, is_open=True, now=now)

    def close_door(self, door: Door, *, now: float) -> None:
        """Close a door."""
        self._bcm.door_moved(door, is_open=False, now=now)

    def lock(self, source: LockSource = LockSource.KEY, *, now: float) -> None:
        """Lock with the key or the inside button.

        Raises:
            NotPossible: the inside button, and nobody inside.
        """
        self._move(LockPosition.LOCKED, source, now)

    def unlock(self, source: LockSource = LockSource.KEY, *, now: float) -> None:
        """Unlock with the key or the inside button.

        Raises:
            NotPossible: the inside button, and nobody inside.
        """
        self._move(LockPosition.UNLOCKED, source, now)

    def enter(self, *, now: float) -> None:
        """Unlock with the key, get in and close the door."""
        self.unlock(now=now)
        self._bcm.occupancy.is_inside = True

    def drive(self, speed_kmh: float, *, for_s: float | None = None, now: float) -> None:
        """Switch on and drive; get in first if nobody is inside. After `for_s` seconds the vehicle brakes to a stop.

        Raises:
            NotPossible: a door is open.
        """
        self._require_closed("drive")
        if not self._bcm.occupancy.is_inside:
            self.enter(now=now)
        self._bcm.activity(now)
        self._bcm.occupancy.ignition, self._bcm.occupancy.parks = "active", False
        self._vehicle.motion.drive(speed_kmh, for_s=for_s, now=now)

    def switch(self, ignition: str, *, now: float) -> None:
        """Turn the ignition ``off``, to ``convenience`` or ``active``.

        Raises:
            NotPossible: the vehicle drives.
        """
        self._require_standing("switch")
        self._bcm.activity(now)
        self._bcm.occupancy.ignition = ignition

    def stop(self, *, now: float) -> None:
        """Brake to a stop; the ignition stays on."""
        self._vehicle.motion.stop(now)

    def park(self, *, now: float) -> None:
        """Brake to a stop, then switch off; whoever drove stays inside."""
        self._bcm.activity(now)
        self._vehicle.motion.stop(now)
        self._bcm.occupancy.parks = True

    def leave(self, *, now: float) -> None:
        """Switch off, get out, close all doors, lock with the key.

        Raises:
            NotPossible: the vehicle drives.
        """
        self._require_standing("leave")
        for door in (door for door, is_open in self._vehicle.doors.items() if is_open):
            self.close_door(door, now=now)
        self._bcm.occupancy.ignition, self._bcm.occupancy.is_inside = "off", False
        self.lock(now=now)

    def _move(self, target: LockPosition, source: LockSource, now: float) -> None:
        if source is LockSource.INSIDE_BUTTON and not self._bcm.occupancy.is_inside:
            raise NotPossible("nobody is inside to press the inside button: enter first")
        self._bcm.move_locks(target, source, now=now)

    def _require_standing(self, act: str) -> None:
        if not self._vehicle.motion.is_standing:
            raise NotPossible(f"cannot {act} while the vehicle drives: stop or park first")

    def _require_closed(self, act: str) -> None:
        opened = [door.value for door, is_open in self._vehicle.doors.items() if is_open]
        if opened:
            raise NotPossible(f"cannot {act} with an open door: {', '.join(opened)}")
