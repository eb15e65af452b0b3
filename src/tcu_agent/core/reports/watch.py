"""A car that was locked and left, and is unlocked by nobody who should: told as a security event.

Theory of operation. What counts is what was last *known*: a lock that is seen unlocked, and was locked when its status
was known before, has been opened, however long it was unknown between (a cold motor, a jam, a link that was down). The
car was left if its usage mode said so when the lock was seen locked last: the mode of a left car may end with the first
turn of a motor, long before the lock is open. What moved the locks says who it was, also of what nobody saw:

    source            | told
    ------------------+---------------------------------------------------------------------------------
    key, inside button| no
    none              | unless a command of ours may have done it (`Unlock.is_ours`)
    remote command    | the same
    automatic         | the same; not if the car may have been in use since the lock was seen locked, as its
                      | mode was lost, or one of use, and not that of a left car again: it does so by itself
    unknown           | if it gets known at once (`openings`)

A mode that somebody inside a left car may cause is none of use, nor is one that the motors' first turn may have begun.
Nothing was known before the agent's start, so what it meets unlocked is not told.

Who is on the bus can let a lock flicker: few are told in a time (`limited`), and of each set of locks the newest,
with how often they opened since. Bus attacks have a limit of their own, so neither hides the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, Protocol

from tcu_agent.core import vss
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.events import Value
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.limited import LimitedReports, Report
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.reports.openings import Openings
from tcu_agent.core.reports.reports import BURST, PER_MINUTE
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.theft.key_use import UNKNOWN_AT_MOST_S
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import EventKind, Reason

_UNEXPECTED_SOURCES: Final = frozenset({"none", "remote-command", "automatic"})
"""What moved the locks last, if it was neither a key nor the button inside; see `vss.LOCKING_SOURCE`."""

_MODES_OF_USE: Final = (*vss.KEY_MODES, "driving")

_NEVER: Final = float("inf")


class IsOurs(Protocol):
    """How to ask whether a command of ours may have opened a lock."""

    def __call__(self, *, locked_at: float, opened_at: float) -> bool:
        """When it was seen locked last, and when it was seen open: CLOCK_BOOTTIME, s."""


class UnlockWatch:
    """Looks at each lock that opens. A car that does not say what moved its locks is not watched."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        knowledge: Knowledge,
        is_ours: IsOurs,
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
        self._openings = Openings(vehicle=vehicle)
        self._left_until = -_NEVER
        """Until when the car was left; `_NEVER` while it is, or was when that was last known."""
        self._is_in_doubt = False
        """Whether the mode has been unknown since the car was known to be left."""

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        deadlines = (self._unlocks.deadline, self._openings.deadline)
        return min((each for each in deadlines if each is not None), default=None)

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Report locks that opened although no command of ours is at work, and what had to wait."""
        if self._unlocks.deadline is not None and step.now >= self._unlocks.deadline:
            self._tell_what_waits(step)
        seen = tuple(changes)
        is_said = any(
            change.path == vss.LOCKING_SOURCE and change.new is not None for change in seen
        )
        for change in seen:
            if change.path == vss.USAGE_MODE:
                self._see_mode(change)
            elif change.path in self._locks:
                self._see_lock(change, is_said=is_said)
        self._judge(step)

    def _see_mode(self, change: Change) -> None:
        if change.new == "abandoned":
            self._left_until, self._is_in_doubt = _NEVER, False
        elif change.new is None:
            self._is_in_doubt = True
        else:
            self._left_until = min(self._left_until, change.at)

    def _see_lock(self, change: Change, *, is_said: bool) -> None:
        if change.new is True:
            self._openings.locked(change.path)
        # Asked now: a frame of ours that goes out later has not done it.
        elif self._was_left_locked(change) and not self._is_ours(
            locked_at=change.known_at, opened_at=change.at
        ):
            self._openings.opened(
                change.path,
                at=change.at,
                is_said_with_it=is_said,
                may_be_of_use=self._is_in_doubt or self._was_used(change),
            )

    def _was_left_locked(self, change: Change) -> bool:
        """Whether a lock is seen open that was locked when last known, of a car that was left then."""
        is_opened = change.new is False and change.known is True
        return is_opened and change.known_at < self._left_until

    def _was_used(self, change: Change) -> bool:
        """Whether somebody used the car between the lock was seen locked and its motor started at the latest."""
        became = partial(self._vehicle.became, vss.USAGE_MODE)
        since = max(change.known_at, became("abandoned"))
        until = change.at - UNKNOWN_AT_MOST_S
        return any(since < became(mode) <= until for mode in _MODES_OF_USE)

    def _judge(self, step: Step) -> None:
        told: dict[str, list[str]] = {}
        for path, source, opening in self._openings.take_clear(step.now):
            is_of_use = source == "automatic" and opening.may_be_of_use
            if source in _UNEXPECTED_SOURCES and not is_of_use and self._knowledge.is_subscribed:
                told.setdefault(str(source), []).append(path)
        for source, paths in told.items():
            self._tell(step, tuple(sorted(paths)), source)

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
