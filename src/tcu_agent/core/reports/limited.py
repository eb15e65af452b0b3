"""Reports that whoever is on the bus can cause at will: few in a time, and what was told last of each subject is true.

Theory of operation. What finds no token waits for one, and a newer report about the same takes its place: so nobody
fills disk or outbox, a fault that is over does not stand at the centre for good, and no subject hides another. There
are as many subjects as the mapping names, so what waits is bounded. Nothing of this is durable: a start of the agent
begins with nothing told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tcu_agent.core.events import Value
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.step import Step
from tcu_agent.protocol.vocabulary import EventKind, Reason

Subject = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is to be told of a subject; it is told with the time of telling."""

    values: Mapping[str, Value]
    reason: Reason = Reason.NONE


class LimitedReports:
    """Tells events of one kind. `bucket`: how many."""

    def __init__(self, kind: EventKind, *, journal: Journal, bucket: Bucket) -> None:
        self._kind = kind
        self._journal = journal
        self._bucket = bucket
        self._waiting: dict[Subject, Report] = {}
        self._told: dict[Subject, Report] = {}
        self.deadline: float | None = None
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""

    def told(self, about: Subject) -> Report | None:
        """Return what was told last of a subject."""
        return self._told.get(about)

    def waiting(self, about: Subject) -> Report | None:
        """Return what waits for its turn to be told of a subject."""
        return self._waiting.get(about)

    def tell(self, step: Step, about: Subject, report: Report) -> None:
        """Tell this, now or as soon as there is room, unless something newer about the same takes its place."""
        if self._waiting.get(about, report) != report:
            self._note_dropped(step)
        self._waiting[about] = report
        self.advance(step)

    def withdraw(self, step: Step, about: Subject) -> None:
        """Tell nothing more of a subject: what was told of it is true again."""
        if self._waiting.pop(about, None) is not None:
            self._note_dropped(step)
            self._set_deadline()

    def withdraw_all(self, step: Step) -> None:
        """Tell nothing of what waits."""
        for about in tuple(self._waiting):
            self.withdraw(step, about)

    def advance(self, step: Step) -> None:
        """Tell what there is room for, oldest subject first."""
        while self._waiting and self._bucket.take(step.now):
            about = next(iter(self._waiting))
            report = self._told[about] = self._waiting.pop(about)
            self._journal.report(step, self._kind, values=report.values, reason=report.reason)
        self._set_deadline()

    def _set_deadline(self) -> None:
        self.deadline = self._bucket.ready_at if self._waiting else None

    def _note_dropped(self, step: Step) -> None:
        step.note("event-dropped", kind=self._kind.name.lower())
