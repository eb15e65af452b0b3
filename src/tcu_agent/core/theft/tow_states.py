"""Tow-away: a car that was locked and left moves without its key. It keeps that to itself until a theft case is open.

Theory of operation
===================
IN_USE   Not known to be locked and left.
WATCHED  Locked and left. The most accurate fix is where it stands (in RAM only: a place is a secret); one that may be
         wrong by more than `STANDS_WITHIN_M` is no place to begin with. The first one counts as well: of a car that is
         taken away while its receiver gets better with each fix, each is the most accurate.
TOWED    A fix lay further away than `tow_distance_m` and both fixes' inaccuracy. When that was is durable, where it was
         is not. Nothing leaves the car.
TOLD     A theft case is open (its position grant was accepted): one signed event says when it was first seen to move.

Only the key ends it (`key_use`). After a restart while WATCHED the car is watched anew from where it stands then.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """What is known of a parked car's movements."""

    IN_USE = "in use"
    WATCHED = "watched"
    TOWED = "towed"
    TOLD = "told"


@unique
class Trigger(Enum):
    """What moves it."""

    LEFT_LOCKED = "left locked"
    KEY_USED = "key used"
    MOVED = "moved"
    CASE_OPEN = "case open"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.IN_USE, Trigger.LEFT_LOCKED): State.WATCHED,
    (State.WATCHED, Trigger.KEY_USED): State.IN_USE,
    (State.WATCHED, Trigger.MOVED): State.TOWED,
    (State.TOWED, Trigger.KEY_USED): State.IN_USE,
    (State.TOWED, Trigger.CASE_OPEN): State.TOLD,
    (State.TOLD, Trigger.KEY_USED): State.IN_USE,
}
