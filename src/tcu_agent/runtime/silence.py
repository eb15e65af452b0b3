"""How long who acknowledges has acknowledged nothing, and how long to wait before sending again.

The pause grows, for what sixty seconds did not bring a second sixty will hardly bring, and each repetition costs
the whole window; any acknowledgement, and each new connection, begins with the shortest again. What is urgent and may
have reached nobody (`urgency`) begins with two seconds: once somebody is there again, it comes after as long again as
nobody was, at the latest. Up to a quarter of each pause is left out by chance, so that a fleet whose broker has lost
everything does not repeat it all in the same second.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.ports import Clock, Entropy
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.supervisor import Supervisor

RESEND_S = 60.0
"""Nothing acknowledged for so long: the window is sent once more, whatever else has come meanwhile."""
HURRY_S = 2.0
"""The first pause of what is urgent: six sendings in the first minute or so, where there would be two."""
MOST_RESEND_S = 960.0
"""The pause doubles up to this: four times an hour find a centre that is back, and are no load for one that is not."""
SILENT_S = 3600.0
"""From then on the log says it as a warning."""
JITTER = 0.25
"""Of each pause, at most."""
_RANDOM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who acknowledges, and the word for the log when it is sent again."""

    name: str
    sent_again: str


CENTRE = Party(name="the centre", sent_again="outbox-sent-again")
DESK = Party(name="the theft desk", sent_again="positions-sent-again")


class Silence:
    """One for the agent's life and each party. Times are CLOCK_BOOTTIME, s."""

    def __init__(
        self,
        *,
        party: Party,
        clock: Clock,
        entropy: Entropy,
        logbook: Logbook,
        supervisor: Supervisor,
    ) -> None:
        self._party = party
        self._clock = clock
        self._entropy = entropy
        self._logbook = logbook
        self._supervisor = supervisor
        self._since: float | None = None
        self._pause_s = RESEND_S
        self._resend_at = 0.0

    @property
    def left_s(self) -> float:
        """How long until the window is to be sent again; negative when it is overdue."""
        return self._resend_at - self._clock.boottime()

    def connected(self) -> None:
        """Begin with the shortest pause; since when nothing is acknowledged stays known."""
        self._pause_s = RESEND_S

    def sent(self) -> None:
        """Take note that something is sent, and nothing before it waits for its acknowledgement."""
        now = self._clock.boottime()
        self._since = now if self._since is None else self._since
        self._resend_at = now + self._next_pause_s()

    def hurry(self) -> None:
        """Send again soon, with pauses that grow from `HURRY_S`."""
        self._pause_s = HURRY_S
        self._resend_at = min(self._resend_at, self._clock.boottime() + self._next_pause_s())

    def broken(self, *, all_acknowledged: bool) -> None:
        """Take note of an acknowledgement."""
        now = self._clock.boottime()
        self._since = None if all_acknowledged else now
        self._pause_s = RESEND_S
        self._resend_at = now + self._next_pause_s()
        self._supervisor.trouble(self._party.name, None)

    def sending_again(self, messages: int) -> None:
        """Say that this many are sent once more, and let the pause grow."""
        silent_s = self._clock.boottime() - (self._since or 0.0)
        say = self._logbook.info if silent_s < SILENT_S else self._logbook.warning
        say(self._party.sent_again, messages=messages, silent_s=round(silent_s))
        if silent_s >= RESEND_S * (1 - JITTER):
            text = f"{self._party.name} has acknowledged nothing for {_words(silent_s)}"
            self._supervisor.trouble(self._party.name, text)
        self._pause_s = min(2 * self._pause_s, MOST_RESEND_S)

    def _next_pause_s(self) -> float:
        drawn = int.from_bytes(self._entropy.random_bytes(_RANDOM_BYTES), "big")
        return self._pause_s * (1 - JITTER * drawn / (1 << 8 * _RANDOM_BYTES))


def _words(duration_s: float) -> str:
    return f"{duration_s / 60:.0f} min" if duration_s < SILENT_S else f"{duration_s / 3600:.1f} h"
