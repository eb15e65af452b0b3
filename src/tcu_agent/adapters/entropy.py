"""Randomness from the operating system."""

from __future__ import annotations

import secrets


class SystemEntropy:
    """The `Entropy` port on the kernel's CSPRNG."""

    def random_bytes(self, length: int) -> bytes:
        """Return `length` fresh random bytes."""
        return secrets.token_bytes(length)
