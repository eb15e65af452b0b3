"""Noticing that a locked car is taken away. Theory and table: `tow_states`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.machine import Machine
from tcu_agent.core.position.fixes import FixSource
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.theft.key_use import KeyUse
from tcu_agent.core.theft.places import Place
from tcu_agent.core.theft.tow_record import TowRecord
from tcu_agent.core.theft.tow_states import TABLE, State, Trigger
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import EventKind

__all__ = ["STANDS_WITHIN_M", "TABLE", "State", "TowWatch", "Trigger"]

STANDS_WITHIN_M: Final = 200.0
"""A fix that may be further off does not show where the car stands: as a receiver's first one, or in a garage."""


class TowWatch:
    """Watches a car that was locked and left. `open_case`: the theft case that is open, None if there is none."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        fixes: FixSource,
        journal: Journal,
        open_case: Callable[[], bytes | None],
    ) -> None:
        self._settings = settings
        self._vehicle = vehicle
        self._fixes = fixes
        self._journal = journal
        self._open_case = open_case
        self._key = KeyUse(vehicle=vehicle, locks=settings.locks)
        self._stands_at: tuple[Place, ...] = ()
        """By the most accurate fix and, if that is another, by the first one."""
        self._record: TowRecord | None = None
        self.machine = Machine(TABLE, State.IN_USE)

    def start(self, record: TowRecord | None) -> None:
        """Go on after a restart."""
        self._record = record
        if record is not None:
            self.machine.state = State.TOLD if record.is_told else State.TOWED

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Look at signals and theft cases again: called once for each event, after the position."""
        if self._key.is_seen(changes, now=step.now):
            self._end(step)
        if self._is_left_locked():
            self.machine.move(Trigger.LEFT_LOCKED)
        if self.machine.state is State.WATCHED:
            self._watch(step)
        if self.machine.state is State.TOWED and (case_id := self._open_case()) is not None:
            self._tell(step, case_id)

    def _is_left_locked(self) -> bool:
        is_locked = all(self._vehicle.value(path) is True for path in self._settings.locks)
        return is_locked and self._vehicle.value(vss.USAGE_MODE) == "abandoned"

    def _watch(self, step: Step) -> None:
        place = self._fixes.place(step.now)
        if place is None:
            return
        if self._has_moved(place):
            self.machine.move(Trigger.MOVED)
            self._stands_at = ()
            self._save(step, TowRecord(seen_wall=step.wall))
            step.note("towed")
        elif _shows_better(place, self._stands_at):
            self._stands_at = (place, *self._stands_at[-1:])

    def _has_moved(self, place: Place) -> bool:
        beyond_m = self._settings.tow_distance_m
        return any(place.is_beyond(beyond_m, each) for each in self._stands_at)

    def _tell(self, step: Step, case_id: bytes) -> None:
        self.machine.move(Trigger.CASE_OPEN)
        wall = self._record.seen_wall if self._record else None
        self._save(step, TowRecord(seen_wall=wall, is_told=True))
        seen_s = None if wall is None else round(wall)
        self._journal.report(
            step, EventKind.TOWED, values={vss.TOW_SEEN_AT: seen_s}, incident_id=case_id
        )

    def _end(self, step: Step) -> None:
        self._stands_at = ()
        if self.machine.move(Trigger.KEY_USED) and self._record is not None:
            self._record = None
            step.put(records.TOW, None)

    def _save(self, step: Step, record: TowRecord) -> None:
        self._record = record
        step.put(records.TOW, record.to_bytes())


def _shows_better(place: Place, stands_at: tuple[Place, ...]) -> bool:
    """Whether a fix says more exactly than what there is where the car stands."""
    if not stands_at:
        return place.accuracy_m <= STANDS_WITHIN_M
    return place.accuracy_m < stands_at[0].accuracy_m
