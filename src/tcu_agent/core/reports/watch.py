"""A car that was locked and left, and is unlocked by nobody who should: told as a security event.

Theory of operation. What counts is what was last *known*: a lock that is seen unlocked, and was locked when its status
was known before, has been opened, however long it was unknown between (a cold motor, a jam, a link that was down). The
car was left if its usage mode said so when the lock was seen locked last: the mode of a left car may end with the first
turn of a motor, long before the lock is open. What moved the locks says who it was, also of what nobody saw:

    source            | told
    ------------------+---------------------------------------------------------------------------------
    key, inside button| no
    none              | yes
    remote command    | unless a frame of ours may have done it since the lock was seen locked
    automatic         | as a remote command; not if the mode was lost meanwhile: a car in use does it by itself
    unknown           | if it gets known at once

Nothing was known before the agent's start, so what it meets unlocked is not told.

Who is on the bus can let a lock flicker: few are told in a time (`limited`), and of each set of locks the newest,
with how often they opened since. Bus attacks have a limit of their own, so neither hides the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.events import Value
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.limited import LimitedReports, Report
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.reports.reports import BURST, PER_MINUTE
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import EventKind, Reason

SOURCE_WITHIN_S: Final = 5.0
"""How long after a lock opened what moved it may get known: it may stand in a message of its own."""

_UNEXPECTED_SOURCES: Final = frozenset({"none", "remote-command", "automatic"})
"""What moved the locks last, if it was neither a key nor the button inside; see `vss.LOCKING_SOURCE`."""

_NEVER: Final = float("inf")


class UnlockWatch:
    """Looks at each lock that opens. A car that does not say what moved its locks is not watched.

    `is_ours`: whether a lock that was seen locked last at that time (CLOCK_BOOTTIME, s) may have been opened by us.
    """

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        knowledge: Knowledge,
        is_ours: Callable[[float], bool],
        now: float,
    ) -> None:
        self._locks = frozenset(settings.locks)
        self._vehicle = vehicle
        self._unlocks = LimitedReports(
            EventKind.SECURITY,
            journal=journal,
            bucket=Bucket(burst=BURST, per_minute=PER_MINUTE, now=now),
        )
        self._knowledge = knowledge
        self._is_ours = is_ours
        self._locked_at: dict[str, float] = {}
        """When the locks that are unknown now, and were locked, were seen locked last."""
        self._left_until = -_NEVER
        """Until when the car was left; `_NEVER` while it is, or was when that was last known."""
        self._is_in_doubt = False
        """Whether the mode has been unknown since the car was known to be left."""
        self._opened: dict[str, float] = {}
        """Locks that opened and are not judged yet, and until when their source may come."""

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        return self._unlocks.deadline

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Report locks that opened although no command of ours is at work, and what had to wait."""
        if self.deadline is not None and step.now >= self.deadline:
            self._tell_what_waits(step)
        for change in changes:
            if change.path == vss.USAGE_MODE:
                self._see_mode(change)
            elif change.path in self._locks:
                self._see_lock(step, change)
        if self._opened:
            self._judge(step)

    def _see_mode(self, change: Change) -> None:
        if change.new == "abandoned":
            self._left_until, self._is_in_doubt = _NEVER, False
        elif change.new is None:
            self._is_in_doubt = True
        else:
            self._left_until = min(self._left_until, change.at)

    def _see_lock(self, step: Step, change: Change) -> None:
        if change.old is True:
            self._locked_at[change.path] = change.seen_at
        if change.new is None:
            return
        locked_at = self._locked_at.pop(change.path, _NEVER)
        self._opened.pop(change.path, None)
        was_left_locked = locked_at < self._left_until
        # Asked now: a frame of ours that goes out later has not done it.
        if change.new is False and was_left_locked and not self._is_ours(locked_at):
            self._opened[change.path] = step.now + SOURCE_WITHIN_S

    def _judge(self, step: Step) -> None:
        opened = [path for path, until in self._opened.items() if step.now <= until]
        source = self._vehicle.value(vss.LOCKING_SOURCE)
        if opened and source is None:
            return
        self._opened.clear()
        is_of_use = source == "automatic" and self._is_in_doubt
        if (
            opened
            and source in _UNEXPECTED_SOURCES
            and not is_of_use
            and self._knowledge.is_subscribed
        ):
            self._tell(step, tuple(sorted(opened)), str(source))

    def _tell(self, step: Step, opened: tuple[str, ...], source: str) -> None:
        values: dict[str, Value] = {**dict.fromkeys(opened, False), vss.LOCKING_SOURCE: source}
        if (before := self._unlocks.waiting(opened)) is not None:
            earlier = before.values.get(vss.OBSERVED_COUNT)
            values[vss.OBSERVED_COUNT] = 1 + (earlier if isinstance(earlier, int) else 1)
        self._unlocks.tell(step, opened, Report(values=values, reason=Reason.UNEXPECTED_UNLOCK))

    def _tell_what_waits(self, step: Step) -> None:
        if self._knowledge.is_subscribed:
            self._unlocks.advance(step)
        else:
            self._unlocks.withdraw_all(step)
