"""What is urgent and may have reached nobody: a broker takes what it has nobody to give to, and says thank you.

Theory of operation. Delivery is in doubt when the broker has lost our session, for then it may have lost the centre's
too, and when it says so in a PUBACK (MQTT 5, reason 0x10). Other signs there are none: MQTT 3.1.1 cannot say it, and to
a broker with one more subscriber than the centre, such as a recorder, it is no news. The doubt ends when the centre has
acknowledged all that is urgent. While it lasts, what is urgent is not left to the patience that is good for a centre
that is merely slow: ON CALL and security, see `core.reports.classes`. ON CALL presses anew each time it says something;
security does only where nothing pressed before, for who is on the bus, or a fault, makes events of it without end.
"""

from __future__ import annotations

from collections.abc import Iterable

from tcu_agent.core.reports.classes import OutboxClass, class_of
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind

URGENT = frozenset({OutboxClass.ON_CALL, OutboxClass.SECURITY})


class Urgency:
    """One for the agent's life: connections come and go, a doubt stays until the centre ends it."""

    def __init__(self) -> None:
        self._newest = 0
        """Number of the newest urgent message that is not acknowledged; 0 = all are."""
        self._is_in_doubt = False

    @property
    def is_pressing(self) -> bool:
        """Whether something urgent is not acknowledged, and may have reached nobody."""
        return self._is_in_doubt and self._newest > 0

    def note(self, messages: Iterable[Result | Event]) -> bool:
        """Take note of what is stored or sent; return whether that presses anew: it is urgent, new, and in doubt."""
        was_pressing = self.is_pressing
        new = [each for each in messages if each.seq > self._newest and _is_urgent(each)]
        self._newest = max((each.seq for each in new), default=self._newest)
        is_anew = not was_pressing or any(class_of(each) is OutboxClass.ON_CALL for each in new)
        return bool(new) and self.is_pressing and is_anew

    def doubt(self) -> bool:
        """Take note that what is sent may reach nobody; return whether that is news, and something presses by it."""
        is_news, self._is_in_doubt = not self._is_in_doubt, True
        return is_news and self.is_pressing

    def acknowledged(self, seq: int) -> None:
        """Take note that the centre has stored everything up to `seq`."""
        if seq >= self._newest:
            self._newest, self._is_in_doubt = 0, False


def _is_urgent(message: Result | Event) -> bool:
    is_tombstone = isinstance(message, Event) and message.kind is EventKind.TOMBSTONE
    return not is_tombstone and class_of(message) in URGENT
