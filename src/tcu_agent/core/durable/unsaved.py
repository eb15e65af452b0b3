"""What could not be made durable, kept until it can: a full disk delays the truth, it does not lose or change it.

A failed transaction is merged into the next one, and tried again by itself each second. Numbers that were given out
stay given out. If too much piles up, runs of telemetry become tombstones; if that is not enough, runs of security
events too (`core.reports.classes`). Deeds and ON CALL stay.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from tcu_agent.core.effects import Persist
from tcu_agent.core.reports.classes import OutboxClass, class_of
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.step import Step
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind, Reason

RETRY_S = 1.0
KEPT = 256
"""Messages in RAM; some minutes of a busy car."""


class Unsaved:
    """The merged content of transactions that failed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._puts: dict[str, bytes | None] = {}
        self._appended: list[Result | Event] = []
        self._acknowledged: int | None = None
        self.deadline: float | None = None
        """When to try again, CLOCK_BOOTTIME, s; None = nothing is unsaved."""

    @property
    def is_empty(self) -> bool:
        """Whether all that was decided is durable, as far as is known."""
        return self.deadline is None

    def keep(self, failed: Persist, *, now: float) -> None:
        """Take over what a failed transaction held."""
        self._puts.update(failed.puts)
        self._appended.extend(failed.append)
        if len(self._appended) > KEPT:
            self._appended = self._thinned(_is_telemetry)
        if len(self._appended) > KEPT:
            self._appended = self._thinned(_is_no_deed)
        if failed.acknowledged is not None:
            self._acknowledged = failed.acknowledged
        self.deadline = now + RETRY_S

    def merge_into(self, step: Step) -> None:
        """Let this step's transaction carry everything, if it has one or a new attempt is due.

        Nothing tells of success: what fails again comes back as the very next event, and is kept again.
        """
        has_writes = step.has_writes or step.seals
        if self.deadline is None or not (has_writes or step.now >= self.deadline):
            return
        step.puts = self._puts | step.puts
        step.appended = self._appended + step.appended
        if step.acknowledged is None:
            step.acknowledged = self._acknowledged
        self._puts, self._appended, self._acknowledged, self.deadline = {}, [], None, None

    def _thinned(self, can_go: Callable[[Result | Event], bool]) -> list[Result | Event]:
        thin: list[Result | Event] = []
        for goes, run in groupby(self._appended, key=can_go):
            messages = list(run)
            if goes:
                messages = [self._journal.tombstone(messages, Reason.DROPPED_BY_POLICY)]
            thin.extend(messages)
        return thin


def _is_telemetry(message: Result | Event) -> bool:
    return _is_tombstone(message) or class_of(message) is OutboxClass.TELEMETRY


def _is_no_deed(message: Result | Event) -> bool:
    """Whether it can go as a last resort; a tombstone always can, into a larger one."""
    if isinstance(message, Result) or message.kind is EventKind.STARTED:
        return False
    return _is_tombstone(message) or class_of(message) in {
        OutboxClass.TELEMETRY,
        OutboxClass.SECURITY,
    }


def _is_tombstone(message: Result | Event) -> bool:
    return isinstance(message, Event) and message.kind is EventKind.TOMBSTONE
