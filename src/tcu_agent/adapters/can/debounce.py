"""Debounce of one signal: a value counts once it was seen steadily for long enough.

A different value starts the time again; going back to the accepted value cancels. So a contact that bounces, or a
payload that alternates between two layouts, changes nothing; how often that was held back is counted.
"""

from __future__ import annotations

from tcu_agent.core.events import Value


class Unset:
    """Type of `UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()
"""No value is accepted yet: at start, after a stale time, after the bus slept."""


class Debounce:
    """State of one signal. Times in seconds on one clock."""

    __slots__ = ("_debounce_s", "accepted", "candidate", "since", "suppressed")

    def __init__(self, debounce_s: float) -> None:
        self._debounce_s = debounce_s
        self.accepted: Value | Unset = UNSET
        self.candidate: Value | Unset = UNSET
        self.since = 0.0
        self.suppressed = 0

    @property
    def pending(self) -> bool:
        """Return whether a value waits to be accepted."""
        return self.candidate is not UNSET

    @property
    def deadline(self) -> float:
        """Return when the waiting value will be accepted if nothing else is seen."""
        return self.since + self._debounce_s

    def observe(self, value: Value, at: float) -> bool:
        """Take one sighting; return True if `value` became the accepted value now (`since`: its first sighting)."""
        if value == self.accepted and type(value) is type(self.accepted):
            self.suppressed += self.pending
            self.candidate = UNSET
            return False
        if not self.pending or value != self.candidate or type(value) is not type(self.candidate):
            self.suppressed += self.pending
            self.candidate, self.since = value, at
        return self.settle(at)

    def settle(self, now: float) -> bool:
        """Accept the waiting value if it has waited for long enough; return whether it did."""
        if self.candidate is UNSET or now < self.deadline:
            return False
        self.accepted, self.candidate = self.candidate, UNSET
        return True

    def forget(self) -> bool:
        """Drop everything (stale, asleep); return whether there was an accepted value that was not None."""
        known = self.accepted is not UNSET and self.accepted is not None
        self.accepted = self.candidate = UNSET
        return known
