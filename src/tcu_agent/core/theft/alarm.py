"""Telling Assistance that the alarm went off and nobody with the key was there. Theory and table: `alarm_states`."""

from __future__ import annotations

from collections.abc import Iterable

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.machine import Machine
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.theft.alarm_record import AlarmRecord
from tcu_agent.core.theft.alarm_states import TABLE, State, Trigger
from tcu_agent.core.theft.key_use import KeyUse
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.vocabulary import EventKind

__all__ = ["TABLE", "State", "TheftNotice", "Trigger"]


class TheftNotice:
    """One alarm at a time."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        knowledge: Knowledge,
        boot_session: str,
    ) -> None:
        self._settings = settings
        self._vehicle = vehicle
        self._journal = journal
        self._knowledge = knowledge
        self._boot_session = boot_session
        self._key = KeyUse(vehicle=vehicle, locks=settings.locks)
        self._is_key_seen = False
        self.deadline: float | None = None
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        self.machine = Machine(TABLE, State.QUIET)

    @property
    def is_counting(self) -> bool:
        """Whether an alarm is about to be told."""
        return self.machine.state is State.COUNTING

    def start(self, step: Step, record: AlarmRecord | None) -> None:
        """Go on after a restart."""
        if record is None:
            return
        self.machine.state = State.TOLD if record.is_told else State.COUNTING
        is_proven = record.boot_session == self._boot_session
        if not record.is_told:
            self.deadline = record.due_at if is_proven else step.now

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Look at time and signals again: called once for each event."""
        seen = tuple(changes)
        alarm = self._vehicle.value(vss.ALARM)
        if alarm == "triggered" and self._knowledge.is_subscribed and self._begin(step):
            seen = ()  # whatever came with it is no answer to it: a forced lock looks like the key at work
        elif self.machine.state is State.TOLD and alarm is not None and alarm != "triggered":
            self._end(step, Trigger.FELL_SILENT)
        if self.machine.state is State.COUNTING:
            self._count(step, seen)

    def _begin(self, step: Step) -> bool:
        if not self.machine.move(Trigger.WENT_OFF):
            return False
        self._is_key_seen = False
        self._key.forget()
        self.deadline = step.now + self._settings.theft_notice_after_s
        self._save(step, due_at=self.deadline)
        return True

    def _count(self, step: Step, changes: tuple[Change, ...]) -> None:
        self._is_key_seen = self._is_key_seen or self._shows_key(step, changes)
        if self._is_key_seen and self._vehicle.value(vss.ALARM) == "off":
            self._end(step, Trigger.SWITCHED_OFF_BY_KEY)
            step.note("alarm-switched-off-by-key")
        elif self.deadline is not None and step.now >= self.deadline:
            self._tell(step)

    def _shows_key(self, step: Step, changes: tuple[Change, ...]) -> bool:
        """A car that does not say what moved its locks is believed when its alarm is off."""
        if not self._settings.has_locking_source:
            return True
        return self._key.is_seen(changes, now=step.now)

    def _tell(self, step: Step) -> None:
        self.machine.move(Trigger.TIME_UP)
        self.deadline = None
        self._save(step, due_at=step.now)
        if self._knowledge.is_subscribed:
            self._journal.report(step, EventKind.ALARM, values={vss.ALARM: "triggered"})

    def _end(self, step: Step, trigger: Trigger) -> None:
        self.machine.move(trigger)
        self.deadline = None
        step.put(records.ALARM, None)

    def _save(self, step: Step, *, due_at: float) -> None:
        record = AlarmRecord(
            due_at=due_at,
            boot_session=self._boot_session,
            is_told=self.machine.state is State.TOLD,
        )
        step.put(records.ALARM, record.to_bytes())
