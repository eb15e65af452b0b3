"""Theft notification: the alarm goes off, its owner gets some time to switch it off, then Assistance is told.

Theory of operation
===================
QUIET     The alarm does not sound, as far as is known.
COUNTING  It went off, durable since then. Only the key ends it in silence: the key seen at work AND the alarm seen off,
          both since it went off, and the key not in that very step: what sets off an alarm may look like the key. A
          siren that falls silent by itself, an alarm that is off without the key (a forged frame, a cut wire), a
          sleeping or lost bus do not.
TOLD      The time was up, the event is in the journal. The next one needs the alarm to be seen silent first.

A restart while COUNTING goes on within the same boot session; in another one the elapsed time is not known, and it is
told at once: once too often is the safe side. Without a subscription nothing is told.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class State(Enum):
    """Where a theft notification stands."""

    QUIET = "quiet"
    COUNTING = "counting"
    TOLD = "told"


@unique
class Trigger(Enum):
    """What moves it."""

    WENT_OFF = "went off"
    SWITCHED_OFF_BY_KEY = "switched off by key"
    TIME_UP = "time up"
    FELL_SILENT = "fell silent"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.QUIET, Trigger.WENT_OFF): State.COUNTING,
    (State.COUNTING, Trigger.SWITCHED_OFF_BY_KEY): State.QUIET,
    (State.COUNTING, Trigger.TIME_UP): State.TOLD,
    (State.TOLD, Trigger.FELL_SILENT): State.QUIET,
}
