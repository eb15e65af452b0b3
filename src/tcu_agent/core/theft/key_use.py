"""What shows that somebody with the key is there. Pure questions to signals and their changes.

Theory of operation. The key is seen at work where a lock is seen to move while the car says that the key moved it. A
motor may take longer than its status may be unknown (a cold one), so what counts is what was last *known* of the lock.
But that alone would let an old truth answer a new alarm: whoever believes wrongly in a key keeps a theft to itself, and
who misses one tells an alarm too many. So a lock that was unknown between shows the key only if

- it was known `UNKNOWN_AT_MOST_S` ago: what happened to a lock that was unknown for hours is anybody's guess;
- what moves the locks was known all the while: the lock's own status was missing, not the bus; and
- it was seen where it was after the alarm had gone off last: what sets off an alarm may look like the key, and the
  movement that it began may end in a later frame (`alarm_states`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.vehicle import Change, VehicleState

UNKNOWN_AT_MOST_S: Final = 10.0
"""Longer than any lock's motor takes; twice the time that a command of ours has to be followed by its status."""


def shows_key(changes: Iterable[Change], vehicle: VehicleState, locks: Collection[str]) -> bool:
    """Whether these changes show the key at work.

    Moving the locks by key does; so does a usage mode that needs it. That the key moved the locks LAST shows nothing:
    it is what locked the car.
    """
    by_key = vehicle.value(vss.LOCKING_SOURCE) == "key"
    return any(
        (change.path == vss.USAGE_MODE and change.new in vss.KEY_MODES)
        or (by_key and _moves_locks(change, vehicle, locks))
        for change in changes
    )


def _moves_locks(change: Change, vehicle: VehicleState, locks: Collection[str]) -> bool:
    """Whether a lock, or what moved the locks last, is known to have changed."""
    if change.path == vss.LOCKING_SOURCE:
        return None not in (change.old, change.new) and change.old != change.new
    if change.path not in locks or None in (change.known, change.new):
        return False
    return change.known != change.new and (change.old is not None or _is_believed(change, vehicle))


def _is_believed(change: Change, vehicle: VehicleState) -> bool:
    """Whether a lock that was unknown has moved now, and not at some time before."""
    return (
        change.at - change.known_at <= UNKNOWN_AT_MOST_S
        and vehicle.is_known_since_before(vss.LOCKING_SOURCE, change.known_at)
        and change.known_at > vehicle.became(vss.ALARM, "triggered")
    )
