"""What can be wrong with bytes from the wire."""

from __future__ import annotations

from tcu_sim.errors import SimulatorError


class WireError(SimulatorError):
    """Bytes or values are outside the protocol, or a signature does not hold.

    `word` is stable and safe to show: ``malformed``, ``unknown-key``, ``bad-signature``,
    ``wrong-type``, ``wrong-role``, ``revoked``, ``threshold``, ``sealed``.
    """

    def __init__(self, detail: str, *, word: str = "malformed") -> None:
        super().__init__(f"{word}: {detail}")
        self.word = word
