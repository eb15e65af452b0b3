"""How often something may happen: a token bucket on CLOCK_BOOTTIME."""

from __future__ import annotations

from typing import Final

_ONE: Final = 1 - 1e-6
"""A token, but for what is lost in rounding: at `ready_at` there must be one."""


class Bucket:
    """Up to `burst` at once, `per_minute` in the long run."""

    def __init__(self, *, burst: int, per_minute: float, now: float) -> None:
        self._burst = burst
        self._per_second = per_minute / 60
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more may happen at `now`; if so, it counts."""
        grown = self._tokens + max(0.0, now - self._at) * self._per_second
        self._tokens, self._at = min(float(self._burst), grown), now
        if self._tokens < _ONE:
            return False
        self._tokens -= 1
        return True

    @property
    def ready_at(self) -> float:
        """When one more may happen, CLOCK_BOOTTIME, s; may lie in the past."""
        return self._at + max(0.0, 1 - self._tokens) / self._per_second
