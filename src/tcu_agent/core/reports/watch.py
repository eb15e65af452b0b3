"""A car that was locked and left, and is unlocked by nobody who should: told as a security event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import EventKind, Reason

_UNEXPECTED_SOURCES: Final = frozenset({"none", "remote-command", "automatic"})
"""What moved the locks last, if it was neither a key nor the button inside; see `vss.LOCKING_SOURCE`."""


class UnlockWatch:
    """Looks at each lock that opens. A car that does not say what moved its locks is not watched."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        knowledge: Knowledge,
        is_ours: Callable[[float], bool],
    ) -> None:
        self._locks = frozenset(settings.locks)
        self._vehicle = vehicle
        self._journal = journal
        self._knowledge = knowledge
        self._is_ours = is_ours

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Report locks that opened although no command of ours is at work."""
        opened = [each for each in changes if each.path in self._locks and _opens(each)]
        source = self._vehicle.value(vss.LOCKING_SOURCE)
        if (
            opened
            and source in _UNEXPECTED_SOURCES
            and self._vehicle.value(vss.USAGE_MODE) == "abandoned"
            and self._knowledge.is_subscribed
            and not self._is_ours(step.now)
        ):
            self._journal.report(
                step,
                EventKind.SECURITY,
                reason=Reason.UNEXPECTED_UNLOCK,
                values={**{each.path: False for each in opened}, vss.LOCKING_SOURCE: str(source)},
            )


def _opens(change: Change) -> bool:
    return change.old is True and change.new is False
