"""What shows that somebody with the key is there.

Theory of operation. The key is seen at work where a lock is seen to move while the car says that the key moved it. A
motor may take longer than its status may be unknown (a cold one), so what counts is what was last *known* of the lock.
But that alone would let an old truth answer a new alarm: whoever believes wrongly in a key keeps a theft to itself, and
who misses one tells an alarm too many. So a lock that was unknown between shows the key only if

- it was known `UNKNOWN_AT_MOST_S` ago: what happened to a lock that was unknown for hours is anybody's guess;
- what moves the locks was known all the while: the lock's own status was missing, not the bus; and
- it was seen where it was after the alarm had gone off last: what sets off an alarm may look like the key, and the
  movement that it began may end in a later frame (`alarm_states`).

What moved the locks may stand in a message of its own, and still be of the movement before: the key that locked the
car. So "key" that is no news is believed once it is said later still, or nothing else was (as in `reports.openings`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.reports.openings import SETTLED_S, SOURCE_WITHIN_S
from tcu_agent.core.vehicle import Change, VehicleState

UNKNOWN_AT_MOST_S: Final = 10.0
"""Longer than any lock's motor takes; twice the time that a command of ours has to be followed by its status."""


class KeyUse:
    """Asked of each event. That the key moved the locks LAST shows nothing: it is what locked the car."""

    def __init__(self, *, vehicle: VehicleState, locks: Collection[str]) -> None:
        self._vehicle = vehicle
        self._locks = locks
        self._moved_at: float | None = None
        """When a lock moved of which it is not clear yet whether the key did it, CLOCK_BOOTTIME, s."""

    def forget(self) -> None:
        """Let nothing that was seen until now show the key any more."""
        self._moved_at = None

    def is_seen(self, changes: Iterable[Change], *, now: float) -> bool:
        """Whether the key is seen at work: it moved the locks, or the usage mode is one that needs it."""
        seen = tuple(changes)
        moved = [change.at for change in seen if self._moves_lock(change)]
        if moved:
            self._moved_at = max(moved)
        is_clear = any(map(_says_source, seen)) if moved else self._is_settled(now)
        is_by_key = self._vehicle.value(vss.LOCKING_SOURCE) == "key"
        if is_clear or not is_by_key:
            self._moved_at = None
        is_of_it = is_clear or any(map(_changes_source, seen))
        return (is_by_key and is_of_it) or any(map(_shows_mode, seen))

    def _moves_lock(self, change: Change) -> bool:
        """Whether a lock is known to have moved."""
        if change.path not in self._locks or None in (change.known, change.new):
            return False
        has_moved = change.known != change.new
        return has_moved and (change.old is not None or _is_believed(change, self._vehicle))

    def _is_settled(self, now: float) -> bool:
        """Whether what is said of a movement is of that, for it is said again, or nothing else was in time."""
        moved_at = self._moved_at
        if moved_at is None:
            return False
        is_said_again = self._vehicle.since(vss.LOCKING_SOURCE, moved_at + SETTLED_S) is not None
        return is_said_again or now >= moved_at + SOURCE_WITHIN_S


def _shows_mode(change: Change) -> bool:
    return change.path == vss.USAGE_MODE and change.new in vss.KEY_MODES


def _says_source(change: Change) -> bool:
    return change.path == vss.LOCKING_SOURCE and change.new is not None


def _changes_source(change: Change) -> bool:
    """Whether what moved the locks last is known to be another one."""
    return _says_source(change) and change.old is not None and change.old != change.new


def _is_believed(change: Change, vehicle: VehicleState) -> bool:
    """Whether a lock that was unknown has moved now, and not at some time before."""
    return (
        change.at - change.known_at <= UNKNOWN_AT_MOST_S
        and vehicle.is_known_since_before(vss.LOCKING_SOURCE, change.known_at)
        and change.known_at > vehicle.became(vss.ALARM, "triggered")
    )
