"""How long to wait before trying again: exponential with full jitter, so that a fleet does not come back as one.

Full jitter: the delay is drawn evenly from zero up to the bound, which spreads a storm of clients best.
"""

from __future__ import annotations

import math

from tcu_agent.ports import Entropy

_RANDOM_BYTES = 4


class Backoff:
    """Delays that grow from up to `first_s` to up to `most_s`.

    `least_s` is never undercut, nor is `floor` (0..1) of the bound that has been reached.
    """

    def __init__(
        self,
        *,
        entropy: Entropy,
        first_s: float,
        most_s: float,
        least_s: float = 0.0,
        floor: float = 0.0,
    ) -> None:
        self._entropy = entropy
        self._first_s = first_s
        self._most_s = most_s
        self._least_s = least_s
        self._floor = floor
        self.failures = 0
        """In a row, until now."""

    def next_delay_s(self) -> float:
        """Return the next delay, and let the one after it grow."""
        bound = min(math.ldexp(self._first_s, min(self.failures, 32)), self._most_s)
        self.failures += 1
        least_s = max(self._least_s, self._floor * bound)
        return least_s + self._fraction() * max(bound - least_s, 0.0)

    def reset(self) -> None:
        """Start again from the first delay: it worked."""
        self.failures = 0

    def _fraction(self) -> float:
        drawn = int.from_bytes(self._entropy.random_bytes(_RANDOM_BYTES), "big")
        return drawn / (1 << 8 * _RANDOM_BYTES)
