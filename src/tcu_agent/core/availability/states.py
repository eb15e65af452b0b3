"""Reachability of a parked car: always for some days, then for minutes in each hour, then not before somebody uses it.

Theory of operation
===================
IN_USE     Driven, or the key is in it: reachable, nothing is counted. A car whose mapping has no usage mode stays here.
LISTENING  Parked: reachable for `listen_for_s` from then on. Every change between parked modes (somebody got in, or
           locked it) starts the time again.
ASLEEP     The centre was told until when, the link is down, the board may suspend. The RTC wakes it, or the car does.
VISITING   Awake for `visit_for_s`: what waits at the broker arrives, what waits here leaves.
OFF        As asleep, but nothing wakes it any more save the car: its days are over.

An alarm, a press of ON CALL or a deed (a protected class of the outbox) that the centre has not acknowledged keeps it
visiting for `wake_for_s` from when it was made, whatever its days say: it may have been told into a dead spot, or to a
centre that was down. That is bounded too, for the battery: a centre that never comes back is told at the next use.

It never falls asleep over something that goes on: a call, an unlock, a re-lock, a position case, an alarm that counts,
a challenge that can still be answered, a transaction that is not durable yet, a bus that is heard.

Times are CLOCK_BOOTTIME, which counts suspends. Durable is when it was parked, and each hour how much time has passed.
After a power cut the wall clock says how long ago that was. While it cannot be believed yet, the time that had provably
passed counts, and goes on from there; what was stored stays as it is until the clock can correct it. A start of the
agent is a visit at least.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """How reachable the car is."""

    IN_USE = "in use"
    LISTENING = "listening"
    ASLEEP = "asleep"
    VISITING = "visiting"
    OFF = "off"


@unique
class Trigger(Enum):
    """What moves it."""

    USED = "used"
    PARKED = "parked"
    STIRRED = "stirred"
    WAKE_TIME = "wake time"
    SLEEP_TIME = "sleep time"
    DAYS_OVER = "days over"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.IN_USE, Trigger.PARKED): State.LISTENING,
    (State.LISTENING, Trigger.USED): State.IN_USE,
    (State.LISTENING, Trigger.PARKED): State.LISTENING,
    (State.LISTENING, Trigger.SLEEP_TIME): State.ASLEEP,
    (State.LISTENING, Trigger.DAYS_OVER): State.OFF,
    (State.ASLEEP, Trigger.USED): State.IN_USE,
    (State.ASLEEP, Trigger.PARKED): State.LISTENING,
    (State.ASLEEP, Trigger.STIRRED): State.VISITING,
    (State.ASLEEP, Trigger.WAKE_TIME): State.VISITING,
    (State.VISITING, Trigger.USED): State.IN_USE,
    (State.VISITING, Trigger.PARKED): State.LISTENING,
    (State.VISITING, Trigger.SLEEP_TIME): State.ASLEEP,
    (State.VISITING, Trigger.DAYS_OVER): State.OFF,
    (State.OFF, Trigger.USED): State.IN_USE,
    (State.OFF, Trigger.PARKED): State.LISTENING,
    (State.OFF, Trigger.STIRRED): State.VISITING,
}
RESTING: Final = frozenset({State.ASLEEP, State.OFF})
"""States in which the link is down."""
