"""Locking again after an unlock that nobody used: the one actuation without a grant of its own.

Theory of operation
===================
IDLE      No unlock of ours is unsettled.
COUNTING  Born of an executed unlock, durable. An opened door, the key, or driving ends it; a car that locks itself
          too. Another executed unlock starts the time again.
JUDGING   Time is up (or cannot be proven after a restart): the bus is woken if it sleeps, and the car is locked only
          if all doors are known closed and it is known to be parked. Not known in time: left as it is, and said so.
LOCKING   The attempt is durable since the step before: ONE frame goes out, unless somebody came meanwhile. If the disk
          took so long that what was seen is old, it is seen again first, or the car is left as it is.
WAITING   Only lock statuses from after the frame decide: all locked, or time is up.

No change of PIN, owner, subscription or keys ends it: a lock gives nobody anything, and a car left open stays open.

A restart while COUNTING goes on counting within the same boot session; in another one the elapsed time is not known,
so it is judged at once. A restart while LOCKING or WAITING only looks at the locks: the command is not sent twice.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """Where a re-lock stands."""

    IDLE = "idle"
    COUNTING = "counting"
    JUDGING = "judging"
    LOCKING = "locking"
    WAITING = "waiting"


@unique
class Trigger(Enum):
    """What moves it."""

    UNLOCKED = "unlocked"
    DOOR_OPENED = "door opened"
    KEY_USED = "key used"
    DRIVEN_OFF = "driven off"
    LOCKED_BY_CAR = "locked by the car"
    TIME_UP = "time up"
    ALLOWED = "allowed"
    SIGNALS_UNKNOWN = "signals unknown"
    DURABLE = "durable"
    NOT_DURABLE = "not durable"
    NOT_SENT = "not sent"
    LOCKED = "locked"
    NO_STATUS_IN_TIME = "no status in time"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.IDLE, Trigger.UNLOCKED): State.COUNTING,
    (State.COUNTING, Trigger.UNLOCKED): State.COUNTING,
    (State.COUNTING, Trigger.DOOR_OPENED): State.IDLE,
    (State.COUNTING, Trigger.KEY_USED): State.IDLE,
    (State.COUNTING, Trigger.DRIVEN_OFF): State.IDLE,
    (State.COUNTING, Trigger.LOCKED_BY_CAR): State.IDLE,
    (State.COUNTING, Trigger.TIME_UP): State.JUDGING,
    (State.JUDGING, Trigger.UNLOCKED): State.COUNTING,
    (State.JUDGING, Trigger.DOOR_OPENED): State.IDLE,
    (State.JUDGING, Trigger.KEY_USED): State.IDLE,
    (State.JUDGING, Trigger.DRIVEN_OFF): State.IDLE,
    (State.JUDGING, Trigger.LOCKED_BY_CAR): State.IDLE,
    (State.JUDGING, Trigger.SIGNALS_UNKNOWN): State.IDLE,
    (State.JUDGING, Trigger.ALLOWED): State.LOCKING,
    (State.LOCKING, Trigger.NOT_DURABLE): State.IDLE,
    (State.LOCKING, Trigger.DOOR_OPENED): State.IDLE,
    (State.LOCKING, Trigger.KEY_USED): State.IDLE,
    (State.LOCKING, Trigger.DRIVEN_OFF): State.IDLE,
    (State.LOCKING, Trigger.SIGNALS_UNKNOWN): State.IDLE,
    (State.LOCKING, Trigger.DURABLE): State.WAITING,
    (State.WAITING, Trigger.NOT_SENT): State.IDLE,
    (State.WAITING, Trigger.LOCKED): State.IDLE,
    (State.WAITING, Trigger.NO_STATUS_IN_TIME): State.IDLE,
}
