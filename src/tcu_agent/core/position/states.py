"""Where the car is: one snapshot, or tracking until a hard stop time; each fix sealed to the theft desk alone.

Theory of operation
===================
IDLE       No case. Nothing is collected.
LOOKING    Snapshot: the intent is durable; waits for a fix (a sleeping bus is woken), within the grant's own time.
SEALING    Snapshot: the fix was handed over for sealing; the next step knows whether that failed, and reports it. What
           ends the case in the very step that took the fix takes it back, a new PIN and a new bundle among it.
TRACKING   Waits for the next interval. Missed ones are skipped, not made up for.
SEARCHING  An interval is due: waits for a fix (a sleeping bus is woken), shorter than an interval.

Before each fix of a tracking the time that is left becomes durable. The stop time counts from acceptance on
CLOCK_BOOTTIME; after a power cut tracking goes on with what can be proven to be left (`record`), and stops if
nothing can. A board that has just booted seldom knows the time: without a wall clock it waits some minutes for one, and
takes no fix meanwhile. A change of owner, the end of the subscription and the end of the case stop it; a new PIN does
not: nobody can ask a thief for it. No position before acceptance, none after the stop.

A place that is only the last one known is said to be that, with its age. Where there is none at all, a snapshot seals
that too and ends as failed/no-fix: so the theft desk hears it from the car itself and not from the command service.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """Where a position case stands."""

    IDLE = "idle"
    LOOKING = "looking"
    SEALING = "sealing"
    TRACKING = "tracking"
    SEARCHING = "searching"


@unique
class Trigger(Enum):
    """What moves it."""

    ACCEPTED_SNAPSHOT = "accepted snapshot"
    ACCEPTED_TRACKING = "accepted tracking"
    NOT_DURABLE = "not durable"
    FIX_DUE = "fix due"
    FIX_TAKEN = "fix taken"
    TOO_LATE = "too late"
    SEALED = "sealed"
    NOT_SEALED = "not sealed"
    STOP_TIME = "stop time"
    CASE_ENDED = "case ended"
    RIGHT_ENDED = "right ended"
    PIN_CHANGED = "PIN changed"
    TIME_NOT_PROVEN = "time not proven"
    RESTARTED = "restarted"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.IDLE, Trigger.ACCEPTED_SNAPSHOT): State.LOOKING,
    (State.LOOKING, Trigger.NOT_DURABLE): State.IDLE,
    (State.LOOKING, Trigger.FIX_TAKEN): State.SEALING,
    (State.LOOKING, Trigger.TOO_LATE): State.IDLE,
    (State.LOOKING, Trigger.CASE_ENDED): State.IDLE,
    (State.LOOKING, Trigger.RIGHT_ENDED): State.IDLE,
    (State.LOOKING, Trigger.PIN_CHANGED): State.IDLE,
    (State.LOOKING, Trigger.RESTARTED): State.IDLE,
    (State.SEALING, Trigger.SEALED): State.IDLE,
    (State.SEALING, Trigger.NOT_SEALED): State.IDLE,
    (State.SEALING, Trigger.CASE_ENDED): State.IDLE,
    (State.SEALING, Trigger.RIGHT_ENDED): State.IDLE,
    (State.SEALING, Trigger.PIN_CHANGED): State.IDLE,
    (State.SEALING, Trigger.RESTARTED): State.IDLE,
    (State.IDLE, Trigger.ACCEPTED_TRACKING): State.TRACKING,
    (State.TRACKING, Trigger.NOT_DURABLE): State.IDLE,
    (State.TRACKING, Trigger.FIX_DUE): State.SEARCHING,
    (State.TRACKING, Trigger.STOP_TIME): State.IDLE,
    (State.TRACKING, Trigger.CASE_ENDED): State.IDLE,
    (State.TRACKING, Trigger.RIGHT_ENDED): State.IDLE,
    (State.TRACKING, Trigger.TIME_NOT_PROVEN): State.IDLE,
    (State.TRACKING, Trigger.RESTARTED): State.TRACKING,
    (State.SEARCHING, Trigger.FIX_TAKEN): State.TRACKING,
    (State.SEARCHING, Trigger.STOP_TIME): State.IDLE,
    (State.SEARCHING, Trigger.CASE_ENDED): State.IDLE,
    (State.SEARCHING, Trigger.RIGHT_ENDED): State.IDLE,
    (State.SEARCHING, Trigger.RESTARTED): State.TRACKING,
}
