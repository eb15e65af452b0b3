"""What can be wrong with key files."""

from __future__ import annotations

from tcu_sim.errors import BadInput


class KeyFileError(BadInput):
    """A key file is missing, readable for others, or no key. Never shows what is in it."""
