"""When one ECU sends which of its messages: cycles from the DBC, and at once on change. No I/O, time is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random


class Transmitter:
    """The schedule of one ECU's messages; all keep one phase, and go out in the order in which they are listed."""

    def __init__(self, cycles_s: Mapping[str, float | None], *, rng: Random) -> None:
        """`cycles_s`: cycle time of each message in seconds, None = only when triggered. `rng` draws the phase."""
        self._cycles_s = dict(cycles_s)
        self._phase_s = rng.uniform(0.0, 0.02)
        self._due_s: dict[str, float] = {}
        self._triggered: dict[str, float] = {}
        self._soonest: float | None = None
        self._is_known = True
        """Whether `_soonest` still holds."""

    def start(self, now: float) -> None:
        """Begin all cycles that do not run yet."""
        for name in self._cycles_s:
            self.start_cycle(name, now)

    def start_cycle(self, name: str, now: float) -> None:
        """Begin one cycle, if it does not run yet."""
        if self._cycles_s[name] is not None:
            self._due_s.setdefault(name, now + self._phase_s)
            self._is_known = False

    def stop_cycle(self, name: str) -> None:
        """End one cycle."""
        self._due_s.pop(name, None)
        self._is_known = False

    def stop(self) -> None:
        """End all, also what was triggered and not yet sent."""
        self._due_s.clear()
        self._triggered.clear()
        self._is_known = False

    def trigger(self, name: str, now: float) -> None:
        """Send this message now, besides its cycle."""
        self._triggered.setdefault(name, now)
        self._is_known = False

    def due(self, now: float) -> list[str]:
        """Return what is to be sent now, and take its cycle on; a late look does not make up for missed cycles."""
        soonest = self.next_deadline()
        if not self._triggered and (soonest is None or soonest > now):
            return []
        names = [name for name in self._cycles_s if self._is_due(name, now)]
        self._is_known = False
        for name in names:
            self._triggered.pop(name, None)
            due_s, cycle_s = self._due_s.get(name), self._cycles_s[name]
            if due_s is not None and cycle_s is not None and due_s <= now:
                self._due_s[name] = due_s + cycle_s if due_s + cycle_s > now else now + cycle_s
        return names

    def next_deadline(self) -> float | None:
        """Return when something is due."""
        if not self._is_known:
            times = (*self._due_s.values(), *self._triggered.values())
            self._soonest, self._is_known = min(times, default=None), True
        return self._soonest

    def _is_due(self, name: str, now: float) -> bool:
        due_s = self._due_s.get(name)
        return name in self._triggered or (due_s is not None and due_s <= now)
