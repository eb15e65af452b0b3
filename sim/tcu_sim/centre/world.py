"""Time and randomness.

As the services need them: injected, so that a bench can move the one and fix the other.
"""

from __future__ import annotations

import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time of the centre's machines (which keep it in step with the world)."""

    def now_s(self) -> float:
        """Return seconds since 1970-01-01."""


class Entropy(Protocol):
    """Randomness."""

    def random_bytes(self, length: int) -> bytes:
        """Return `length` random bytes."""


class SystemClock:
    """The machine's own wall clock."""

    def now_s(self) -> float:
        """Return seconds since 1970-01-01."""
        return time.time()


class SystemEntropy:
    """The operating system's CSPRNG."""

    def random_bytes(self, length: int) -> bytes:
        """Return `length` random bytes."""
        return secrets.token_bytes(length)


def uniform_below(entropy: Entropy, bound: int) -> int:
    """Return an integer in 0..bound-1, each equally likely (values beyond the last full round are drawn anew)."""
    full_rounds = 2**32 - 2**32 % bound
    while (drawn := int.from_bytes(entropy.random_bytes(4), "big")) >= full_rounds:
        pass
    return drawn % bound
