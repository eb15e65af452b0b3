"""How long the centre has acknowledged nothing, and how long to wait before sending again.

The pause grows, for what sixty seconds did not bring a second sixty will hardly bring, and each repetition costs
the whole window; any acknowledgement, and each new connection, begins with the shortest again.
"""

from __future__ import annotations

from tcu_agent.ports import Clock
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.supervisor import Supervisor

RESEND_S = 60.0
"""Nothing acknowledged for so long: the window is sent once more, whatever else has come meanwhile."""
MOST_RESEND_S = 960.0
"""The pause doubles up to this: four times an hour find a centre that is back, and are no load for one that is not."""
SILENT_S = 3600.0
"""From then on the log says it as a warning."""
_ABOUT = "acknowledgements"


class Silence:
    """One for the agent's life. Times are CLOCK_BOOTTIME, s."""

    def __init__(self, *, clock: Clock, logbook: Logbook, supervisor: Supervisor) -> None:
        self._clock = clock
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
        self._resend_at = now + self._pause_s

    def broken(self, *, all_acknowledged: bool) -> None:
        """Take note of an acknowledgement."""
        now = self._clock.boottime()
        self._since = None if all_acknowledged else now
        self._pause_s = RESEND_S
        self._resend_at = now + self._pause_s
        self._supervisor.trouble(_ABOUT, None)

    def sending_again(self, messages: int) -> None:
        """Say that this many are sent once more, and let the pause grow."""
        silent_s = self._clock.boottime() - (self._since or 0.0)
        say = self._logbook.info if silent_s < SILENT_S else self._logbook.warning
        say("outbox-sent-again", messages=messages, silent_s=round(silent_s))
        text = f"the centre has acknowledged nothing for {_words(silent_s)}"
        self._supervisor.trouble(_ABOUT, text)
        self._pause_s = min(2 * self._pause_s, MOST_RESEND_S)


def _words(duration_s: float) -> str:
    return f"{duration_s / 60:.0f} min" if duration_s < SILENT_S else f"{duration_s / 3600:.1f} h"
