"""The car as its own signals show it: the last value of each path, and how old that knowledge is.

Three kinds of not knowing are kept apart: never seen or lost (stale, failed its E2E check: value None), asleep (the bus
went silent as a sleeping bus does: value None, but what it was before counts for edges), and old (a value that was not
seen again within `fresh_s`). Whoever decides about a lock asks for `fresh` or `since`, never for the last value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tcu_agent.core.events import SignalChange, Value, shown

_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Change:
    """One path's new value. `old`: the value before (that from before the sleep, if it slept); None = unknown.

    `at`: when the new one began. `seen_at`: when the old one was seen last. CLOCK_BOOTTIME, s.
    `known`, `known_at`: the same as `old` and `seen_at`, or, where the old one was unknown, what was known before it.
    """

    path: str
    old: Value
    new: Value
    at: float
    seen_at: float = _NEVER
    known: Value = None
    known_at: float = _NEVER

    def __repr__(self) -> str:
        """Show everything but a place."""
        old, new = shown(self.path, self.old), shown(self.path, self.new)
        return f"Change({self.path!r}, {old} -> {new}, at={self.at!r})"


@dataclass(slots=True)
class _Signal:
    value: Value = None
    seen_at: float = _NEVER
    known_since: float = _NEVER
    """Without a gap; of no meaning while the value is None."""
    known: Value = None
    known_at: float = _NEVER
    became: dict[str, float] = field(default_factory=dict)
    """Word -> when it began last. Words only: there are few of them."""
    is_asleep: bool = False
    before_sleep: Value = None
    seen_before_sleep_at: float = _NEVER


class VehicleState:
    """Last value of each path. `fresh_s`: how old a sighting may be to count as now."""

    def __init__(self, *, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._signals: dict[str, _Signal] = {}
        self.told = 0
        """How often the car has said anything: whoever has seen this number has nothing new to look at."""

    def apply(self, changes: Iterable[SignalChange], *, now: float) -> tuple[Change, ...]:
        """Take over what a frame showed; return it with the values from before."""
        self.told += 1
        return tuple(self._apply_one(change, min(change.at, now)) for change in changes)

    def refresh(self, paths: Iterable[str], at: float, *, now: float) -> None:
        """Note that these known values were seen again, unchanged."""
        self.told += 1
        for path in paths:
            signal = self._signal(path)
            if signal.value is not None:
                signal.seen_at = max(signal.seen_at, min(at, now))

    def fall_asleep(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Forget what a sleeping bus said, but for edges; return the paths that were awake."""
        self.told += 1
        slept = tuple(path for path in paths if not self._signal(path).is_asleep)
        for path in slept:
            signal = self._signal(path)
            self._signals[path] = _Signal(
                known=signal.known,
                known_at=signal.known_at,
                became=signal.became,
                is_asleep=True,
                before_sleep=signal.value,
                seen_before_sleep_at=signal.seen_at,
            )
        return slept

    def value(self, path: str) -> Value:
        """Return the last value, None if it is not known now."""
        return self._signal(path).value

    def last_known(self, path: str) -> Value:
        """Return the last value that was known, be it now or before the signal slept or was lost; None if never."""
        signal = self._signal(path)
        values = signal.value, signal.before_sleep, signal.known
        return next((each for each in values if each is not None), None)

    def fresh(self, path: str, now: float) -> Value:
        """Return the value if it was seen within `fresh_s` before `now`, else None."""
        return self.since(path, now - self._fresh_s)

    def since(self, path: str, at: float) -> Value:
        """Return the value if it was seen after `at`, else None."""
        signal = self._signal(path)
        return signal.value if signal.seen_at > at else None

    def age_s(self, path: str, now: float) -> float:
        """Return how long ago the value was seen (infinite if never)."""
        return now - self._signal(path).seen_at

    def is_known_since_before(self, path: str, at: float) -> bool:
        """Whether the value was known before `at`, and has been ever since."""
        signal = self._signal(path)
        return signal.value is not None and signal.known_since < at

    def became(self, path: str, word: str) -> float:
        """Return when the value became `word` last, from another or an unknown one; -infinity if never."""
        return self._signal(path).became.get(word, _NEVER)

    def _signal(self, path: str) -> _Signal:
        return self._signals.get(path) or _Signal()

    def _apply_one(self, change: SignalChange, at: float) -> Change:
        before = self._signal(change.path)
        old = before.before_sleep if before.is_asleep else before.value
        seen_at = before.seen_before_sleep_at if before.is_asleep else before.seen_at
        known, known_at = (before.known, before.known_at) if old is None else (old, seen_at)
        became = before.became
        if isinstance(change.value, str) and change.value != old:
            became = {**became, change.value: at}
        self._signals[change.path] = _Signal(
            value=change.value,
            seen_at=at,
            known_since=at if before.value is None else before.known_since,
            known=known,
            known_at=known_at,
            became=became,
        )
        return Change(change.path, old, change.value, at, seen_at, known, known_at)
