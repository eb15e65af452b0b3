"""The ON CALL button: what counts as a press, as a long press, and as a stuck button.

Theory of operation
===================
UNHEARD   Nothing was heard since the start. If the bus is found asleep, nobody was pressing: the press that wakes it
          counts.
UNSEEN    Not known to be released since it was first heard, or lost: being pressed means nothing yet.
RELEASED  Seen released. A sleeping bus leaves it so: the press that wakes the bus counts.
MISSED    Was released when the signal was lost. Seen pressed next, that means nothing (UNSEEN). If the bus falls asleep
          first, the loss was only the button's node going to sleep before the others: released it was, and is.
PRESSING  Pressed for less than `press_ms`. Let go now, it was a bounce; `press_ms` without a break is a press.
HELD      The press was told. Held for `hang_up_s` it is a long press.
HELD_LONG The long press was told. Held for `stuck_s` the button is stuck.
STUCK     The fault was told, once; only a release ends it.

Edges come in with the time of the first frame that showed them; a mapping that debounces the signal delays the news and
not the time, so the two add up to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, unique
from typing import Final, Protocol

from tcu_agent.core import vss
from tcu_agent.core.machine import Machine
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.vehicle import Change


@unique
class State(Enum):
    """What is known of the button."""

    UNHEARD = "unheard"
    UNSEEN = "unseen"
    RELEASED = "released"
    MISSED = "missed"
    PRESSING = "pressing"
    HELD = "held"
    HELD_LONG = "held long"
    STUCK = "stuck"


@unique
class Trigger(Enum):
    """What moves it."""

    SEEN_RELEASED = "seen released"
    SEEN_PRESSED = "seen pressed"
    LOST = "lost"
    FELL_ASLEEP = "fell asleep"
    PRESS_TIME = "press time"
    LONG_PRESS_TIME = "long press time"
    STUCK_TIME = "stuck time"


TABLE: Final[dict[tuple[State, Trigger], State]] = {
    (State.UNHEARD, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.UNHEARD, Trigger.SEEN_PRESSED): State.UNSEEN,
    (State.UNHEARD, Trigger.LOST): State.UNSEEN,
    (State.UNHEARD, Trigger.FELL_ASLEEP): State.RELEASED,
    (State.UNSEEN, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.RELEASED, Trigger.SEEN_PRESSED): State.PRESSING,
    (State.RELEASED, Trigger.LOST): State.MISSED,
    (State.MISSED, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.MISSED, Trigger.SEEN_PRESSED): State.UNSEEN,
    (State.MISSED, Trigger.FELL_ASLEEP): State.RELEASED,
    (State.PRESSING, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.PRESSING, Trigger.LOST): State.UNSEEN,
    (State.PRESSING, Trigger.FELL_ASLEEP): State.UNSEEN,
    (State.PRESSING, Trigger.PRESS_TIME): State.HELD,
    (State.HELD, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.HELD, Trigger.LOST): State.UNSEEN,
    (State.HELD, Trigger.FELL_ASLEEP): State.UNSEEN,
    (State.HELD, Trigger.LONG_PRESS_TIME): State.HELD_LONG,
    (State.HELD_LONG, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.HELD_LONG, Trigger.LOST): State.UNSEEN,
    (State.HELD_LONG, Trigger.FELL_ASLEEP): State.UNSEEN,
    (State.HELD_LONG, Trigger.STUCK_TIME): State.STUCK,
    (State.STUCK, Trigger.SEEN_RELEASED): State.RELEASED,
    (State.STUCK, Trigger.LOST): State.UNSEEN,
    (State.STUCK, Trigger.FELL_ASLEEP): State.UNSEEN,
}

_TRIGGER_OF = {True: Trigger.SEEN_PRESSED, False: Trigger.SEEN_RELEASED, None: Trigger.LOST}


class Listener(Protocol):
    """Who is told what the button did."""

    def press(self, step: Step, *, at: float) -> None:
        """Take a press that began at `at` (CLOCK_BOOTTIME, s)."""

    def long_press(self, step: Step) -> None:
        """The same press is held on."""

    def stuck(self, step: Step) -> None:
        """The same press never ends."""


class Button:
    """Turns raw edges and time into presses."""

    def __init__(self, *, settings: CoreSettings, listener: Listener) -> None:
        self._listener = listener
        self._holds: dict[State, tuple[Trigger, float]] = {
            State.PRESSING: (Trigger.PRESS_TIME, settings.press_ms / 1000),
            State.HELD: (Trigger.LONG_PRESS_TIME, settings.hang_up_s),
            State.HELD_LONG: (Trigger.STUCK_TIME, settings.stuck_s),
        }
        self._pressed_at = 0.0
        self.machine = Machine(TABLE, State.UNHEARD)

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        hold = self._holds.get(self.machine.state)
        return None if hold is None else self._pressed_at + hold[1]

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Take edges and time: what was held long enough before an edge counts, however late it is looked at."""
        for change in changes:
            if change.path == vss.ON_CALL_BUTTON:
                self._hold(step, until=change.at)
                self._take_edge(change)
        self._hold(step, until=step.now)

    def fall_asleep(self) -> None:
        """The bus sleeps: a pressed button is not known any more, one that was last seen released is released."""
        self.machine.move(Trigger.FELL_ASLEEP)

    def _take_edge(self, change: Change) -> None:
        value = change.new if isinstance(change.new, bool) else None
        if self.machine.move(_TRIGGER_OF[value]) and self.machine.state is State.PRESSING:
            self._pressed_at = change.at

    def _hold(self, step: Step, *, until: float) -> None:
        while (deadline := self.deadline) is not None and until >= deadline:
            trigger, _ = self._holds[self.machine.state]
            self.machine.move(trigger)
            self._tell(step, trigger)

    def _tell(self, step: Step, trigger: Trigger) -> None:
        if trigger is Trigger.PRESS_TIME:
            self._listener.press(step, at=self._pressed_at)
        elif trigger is Trigger.LONG_PRESS_TIME:
            self._listener.long_press(step)
        else:
            self._listener.stuck(step)
