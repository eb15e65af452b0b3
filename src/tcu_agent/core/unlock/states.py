"""Remote unlock, direct and armed. Order of work: docs/protocol.md, "Order of work in the car", steps 6 to 10.

Theory of operation
===================
A grant that the verifier accepted (its nonce is gone, so it can never be accepted again) meets a machine that does one
thing at a time:

IDLE     Nothing is going on. A direct grant makes the intent `firing` durable, an armed one the intent `armed`.
ARMED    Waits for the tailgate plate: its rising edge, after arming, within the window, makes `firing` durable.
FIRING   The intent is durable since the step before. Age and preconditions are judged from fresh signals (a sleeping
         bus was woken); while they are not known it waits, at most until the grant's own time ends. Then ONE frame.
         That all locks are open already is believed only of a status from after the intent: while a motor moves, the
         last position holds but is not seen again, and a car that somebody has just begun to lock is not an open one.
WAITING  The frame is out. Only lock statuses from after it decide: all unlocked, or refused by the car, or time is up.
         One step decides on the frame before it takes what has arrived: a new PIN, owner or bundle in that very step
         takes the frame back, for it would leave after the news are durable. One that left before is judged as it was.

Every way back to IDLE stores the outcome and the result that reports it in one transaction, which also removes the
intent. At a start an intent that is still there was cut off: `armed` moved nothing (cancelled), `firing` may have
moved something (unknown). Neither is ever tried again.

A second grant meanwhile is answered with a stored outcome refused/busy: its nonce is used up, so it cannot act later,
when nobody expects it any more.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """Where an unlock stands."""

    IDLE = "idle"
    ARMED = "armed"
    FIRING = "firing"
    WAITING = "waiting"


@unique
class Trigger(Enum):
    """What moves it."""

    ACCEPTED_DIRECT = "accepted direct"
    ACCEPTED_ARMED = "accepted armed"
    PLATE_PRESSED = "plate pressed"
    WINDOW_PASSED = "window passed"
    DRIVEN_OFF = "driven off"
    GENERATION_CHANGED = "generation changed"
    FRAME_TAKEN_BACK = "frame taken back"
    NOT_DURABLE = "not durable"
    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    ALREADY_UNLOCKED = "already unlocked"
    TOO_LATE = "too late"
    UNLOCKED = "unlocked"
    REFUSED_BY_CAR = "refused by the car"
    NOT_SENT = "not sent"
    NO_STATUS_IN_TIME = "no status in time"
    RESTARTED = "restarted"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.IDLE, Trigger.ACCEPTED_DIRECT): State.FIRING,
    (State.IDLE, Trigger.ACCEPTED_ARMED): State.ARMED,
    (State.ARMED, Trigger.PLATE_PRESSED): State.FIRING,
    (State.ARMED, Trigger.WINDOW_PASSED): State.IDLE,
    (State.ARMED, Trigger.DRIVEN_OFF): State.IDLE,
    (State.ARMED, Trigger.GENERATION_CHANGED): State.IDLE,
    (State.ARMED, Trigger.NOT_DURABLE): State.IDLE,
    (State.ARMED, Trigger.RESTARTED): State.IDLE,
    (State.FIRING, Trigger.ALLOWED): State.WAITING,
    (State.FIRING, Trigger.ALREADY_UNLOCKED): State.IDLE,
    (State.FIRING, Trigger.NOT_ALLOWED): State.IDLE,
    (State.FIRING, Trigger.TOO_LATE): State.IDLE,
    (State.FIRING, Trigger.GENERATION_CHANGED): State.IDLE,
    (State.FIRING, Trigger.NOT_DURABLE): State.IDLE,
    (State.FIRING, Trigger.RESTARTED): State.IDLE,
    (State.WAITING, Trigger.FRAME_TAKEN_BACK): State.IDLE,
    (State.WAITING, Trigger.UNLOCKED): State.IDLE,
    (State.WAITING, Trigger.REFUSED_BY_CAR): State.IDLE,
    (State.WAITING, Trigger.NOT_SENT): State.IDLE,
    (State.WAITING, Trigger.NO_STATUS_IN_TIME): State.IDLE,
    (State.WAITING, Trigger.RESTARTED): State.IDLE,
}
