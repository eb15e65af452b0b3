"""The anti-theft alarm: armed with the locks, triggered some time after a break-in, switched off by key. No I/O."""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

ENTRY_DELAY_S: Final = 2.0
"""From the opened door to the siren: time to switch the alarm off with the key."""
SIREN_S: Final = 30.0
"""How long it sounds; then it is armed again."""


@unique
class AlarmState(Enum):
    """The values are the DBC's."""

    OFF = "Off"
    ARMED = "Armed"
    TRIGGERED = "Triggered"


class Alarm:
    """Armed, delayed, sounding."""

    def __init__(self) -> None:
        self.state = AlarmState.ARMED
        self._trigger_at_s: float | None = None
        self._silent_at_s: float | None = None

    def arm(self) -> None:
        """The vehicle is locked and empty."""
        if self.state is AlarmState.OFF:
            self.state = AlarmState.ARMED

    def disarm(self) -> None:
        """The vehicle was unlocked by someone who may."""
        self.state, self._trigger_at_s, self._silent_at_s = AlarmState.OFF, None, None

    def break_in(self, *, delay_s: float = ENTRY_DELAY_S, now: float) -> None:
        """A door was opened, or glass broken, while armed; else nothing happens."""
        if self.state is AlarmState.ARMED and self._trigger_at_s is None:
            self._trigger_at_s = now + delay_s

    def next_deadline(self) -> float | None:
        """Return when the siren begins or ends."""
        return self._trigger_at_s if self._trigger_at_s is not None else self._silent_at_s

    def advance(self, now: float) -> None:
        """Begin or end the siren."""
        if self._trigger_at_s is not None and self._trigger_at_s <= now:
            self.state = AlarmState.TRIGGERED
            self._silent_at_s, self._trigger_at_s = self._trigger_at_s + SIREN_S, None
        if self._silent_at_s is not None and self._silent_at_s <= now:
            self.state, self._silent_at_s = AlarmState.ARMED, None
