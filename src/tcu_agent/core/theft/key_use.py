"""What shows that somebody with the key is there. Pure questions to signals and their changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tcu_agent.core import vss
from tcu_agent.core.vehicle import Change, VehicleState


def shows_key(changes: Iterable[Change], vehicle: VehicleState, locks: Collection[str]) -> bool:
    """Whether these changes show the key at work.

    Moving the locks by key does; so does a usage mode that needs it. That the key moved the locks LAST shows nothing:
    it is what locked the car.
    """
    by_key = vehicle.value(vss.LOCKING_SOURCE) == "key"
    return any(
        (change.path == vss.USAGE_MODE and change.new in vss.KEY_MODES)
        or (by_key and _moves_locks(change, locks))
        for change in changes
    )


def _moves_locks(change: Change, locks: Collection[str]) -> bool:
    """Whether a lock, or what moved the locks last, is known to have changed."""
    is_about_locks = change.path in locks or change.path == vss.LOCKING_SOURCE
    return is_about_locks and None not in (change.old, change.new) and change.old != change.new
