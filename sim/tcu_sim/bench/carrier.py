"""What a broker may do to messages on their way to the car: hold them back, repeat them, swap them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

Deliver = Callable[[str, bytes], None]


class Carrier:
    """Stands between the centre and the broker. Without a fault set, everything passes at once."""

    def __init__(self, deliver: Deliver) -> None:
        self.holds: set[str] = set()
        """Types (such as ``grant``) that are kept in `held` instead of being delivered."""
        self.held: list[tuple[str, bytes]] = []
        self.copies: Counter[str] = Counter()
        """Extra copies of a type that follow each message at once."""
        self._deliver = deliver

    def send(self, word: str, data: bytes) -> None:
        """Carry one message."""
        if word in self.holds:
            self.held.append((word, data))
            return
        for _ in range(1 + self.copies[word]):
            self._deliver(word, data)

    def release(self, *, backwards: bool = False) -> None:
        """Deliver what was held back, in order or the other way round, and hold nothing any more."""
        held, self.held = self.held, []
        self.holds.clear()
        for word, data in reversed(held) if backwards else held:
            self._deliver(word, data)

    def deliver(self, word: str, data: bytes) -> None:
        """Deliver one message now, whatever is set."""
        self._deliver(word, data)
