"""Locking again after an unlock that nobody used. Theory and table: `relock_states`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import TransmitLock, WakeBus
from tcu_agent.core.machine import Machine
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.unlock import preconditions
from tcu_agent.core.unlock.relock_record import RelockRecord
from tcu_agent.core.unlock.relock_states import TABLE, State, Trigger
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.core.verify.authorisation import RelockAuthorisation, relock_after_unlock
from tcu_agent.protocol.vocabulary import EventKind, LockState, Reason, Relock

__all__ = ["TABLE", "AutomaticRelock", "State", "Trigger"]

_CANCELLED_BY = {
    Reason.DOOR_OPENED: Trigger.DOOR_OPENED,
    Reason.KEY_USED: Trigger.KEY_USED,
    Reason.DRIVEN: Trigger.DRIVEN_OFF,
}
_KEY_MODES = frozenset({"convenience", "active"})
"""Usage modes that need a key in the car."""


class AutomaticRelock:
    """One pending re-lock at most: that of the last executed unlock."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        boot_session: str,
        is_unlocking: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._vehicle = vehicle
        self._journal = journal
        self._boot_session = boot_session
        self._is_unlocking = is_unlocking
        self._record: RelockRecord | None = None
        self._began_at = 0.0
        self.deadline: float | None = None
        self.machine = Machine(TABLE, State.IDLE)

    @property
    def is_locking(self) -> bool:
        """Whether a lock command is about to go out or was sent and not yet seen to work."""
        return self.machine.state in {State.LOCKING, State.WAITING}

    @property
    def is_pending(self) -> bool:
        """Whether the car is still to be locked again, or it is not known yet to be."""
        return self._record is not None

    def start(self, step: Step, record: RelockRecord | None) -> None:
        """Go on after a restart."""
        if record is None:
            return
        self._record = record
        self._began_at = step.now
        if record.is_attempted:
            self.machine.state = State.WAITING
            self.deadline = step.now + self._settings.fresh_timeout_s
            step.do(WakeBus("relock"))
            return
        self.machine.state = State.COUNTING
        is_proven = record.boot_session == self._boot_session
        self.deadline = record.due_at if is_proven else step.now

    def begin(self, step: Step, permission: RelockAuthorisation, incident_id: bytes) -> None:
        """Count from an executed unlock on."""
        if self._settings.relock is not Relock.AGENT or not self.machine.move(Trigger.UNLOCKED):
            return
        self._began_at = step.now
        self.deadline = step.now + self._settings.relock_after_s
        self._record = RelockRecord(
            request_id=permission.request_id,
            incident_id=incident_id,
            due_at=self.deadline,
            boot_session=self._boot_session,
        )
        step.put(records.RELOCK, self._record.to_bytes())

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Look at time and signals again: called once for each event."""
        record = self._record
        if record is None:
            return
        if self.machine.state is State.COUNTING:
            self._count(step, record, changes)
        elif self.machine.state is State.JUDGING:
            self._judge(step, record)
        elif self.machine.state is State.LOCKING:
            self._lock(step, record)
        else:
            self._observe(step)

    def not_durable(self, step: Step) -> None:
        """The attempt could not be made durable: nothing is sent."""
        self._fail(step, Trigger.NOT_DURABLE, Reason.STATE_CORRUPT)

    def transmit_failed(self, step: Step, reason: Reason, *, may_have_happened: bool) -> None:
        """The frame did not leave; where nobody knows, the lock status will tell."""
        if not may_have_happened:
            self._fail(step, Trigger.NOT_SENT, reason)

    def _count(self, step: Step, record: RelockRecord, changes: Iterable[Change]) -> None:
        by_people = _by_people(changes)
        if by_people is not Reason.NONE:
            self._end(step, _CANCELLED_BY[by_people], EventKind.RELOCK_CANCELLED, by_people)
        elif self._is_locked_since(self._began_at):
            self._end(step, Trigger.LOCKED_BY_CAR, EventKind.RELOCKED, Reason.NONE, by="vehicle")
        elif self.deadline is not None and step.now >= self.deadline:
            self.machine.move(Trigger.TIME_UP)
            self._began_at = step.now
            if self._refusal(step) is Reason.SIGNALS_UNKNOWN:
                step.do(WakeBus("relock"))
            self._judge(step, record)

    def _judge(self, step: Step, record: RelockRecord) -> None:
        refusal = self._refusal(step)
        if self._is_unlocking():
            self.deadline = step.now + 1.0
        elif refusal in _CANCELLED_BY:
            self._end(step, _CANCELLED_BY[refusal], EventKind.RELOCK_CANCELLED, refusal)
        elif refusal is Reason.SIGNALS_UNKNOWN:
            self._wait_for_signals(step)
        elif self._is_locked_since(step.now - self._settings.fresh_s):
            self._end(step, Trigger.LOCKED_BY_CAR, EventKind.RELOCKED, Reason.NONE, by="vehicle")
        else:
            self.machine.move(Trigger.ALLOWED)
            self._record = replace(record, is_attempted=True)
            step.put(records.RELOCK, self._record.to_bytes())
            # The next step comes at once: by then the attempt is durable.
            self._began_at = self.deadline = step.now

    def _lock(self, step: Step, record: RelockRecord) -> None:
        # Somebody may have come while the disk was busy, even with this very event.
        refusal = self._refusal(step)
        if refusal in _CANCELLED_BY:
            self._end(step, _CANCELLED_BY[refusal], EventKind.RELOCK_CANCELLED, refusal)
            return
        if refusal is Reason.SIGNALS_UNKNOWN:  # nor is what was seen before a slow disk still true
            self._wait_for_signals(step)
            return
        self.machine.move(Trigger.DURABLE)
        self._began_at = step.now
        self.deadline = step.now + self._settings.status_timeout_s
        permission = relock_after_unlock(record.request_id)
        step.do(TransmitLock(permission, not_after=step.now + self._settings.fresh_s))

    def _wait_for_signals(self, step: Step) -> None:
        self.deadline = self._began_at + self._settings.fresh_timeout_s
        if step.now >= self.deadline:
            needed = (*preconditions.MOTION, *self._settings.doors)
            since = step.now - self._settings.fresh_s
            unseen = preconditions.unseen(self._vehicle, needed, since=since)
            step.note("signals-unknown", command="lock", paths=unseen)
            self._fail(step, Trigger.SIGNALS_UNKNOWN, Reason.SIGNALS_UNKNOWN)

    def _observe(self, step: Step) -> None:
        if self._is_locked_since(self._began_at):
            self._end(step, Trigger.LOCKED, EventKind.RELOCKED, Reason.NONE, by="agent")
        elif self.deadline is not None and step.now >= self.deadline:
            self._fail(step, Trigger.NO_STATUS_IN_TIME, Reason.NO_STATUS)

    def _refusal(self, step: Step) -> Reason:
        """Return why the car is not to be locked now; `SIGNALS_UNKNOWN` if that is not known."""
        speed = self._vehicle.fresh(vss.SPEED_KMH, step.now)
        mode = self._vehicle.fresh(vss.USAGE_MODE, step.now)
        doors = [self._vehicle.fresh(path, step.now) for path in self._settings.doors]
        if True in doors:
            return Reason.DOOR_OPENED
        if preconditions.is_driven(speed, mode):
            return Reason.DRIVEN
        if mode in _KEY_MODES:
            return Reason.KEY_USED
        if speed is None or mode is None or None in doors:
            return Reason.SIGNALS_UNKNOWN
        return Reason.NONE

    def _is_locked_since(self, since: float) -> bool:
        states = preconditions.lock_states(self._vehicle, self._settings.locks, since=since)
        return preconditions.all_are(states, LockState.LOCKED)

    def _fail(self, step: Step, trigger: Trigger, reason: Reason) -> None:
        self._end(step, trigger, EventKind.RELOCK_FAILED, reason)

    def _end(
        self, step: Step, trigger: Trigger, kind: EventKind, reason: Reason, *, by: str = ""
    ) -> None:
        record = self._record
        if record is None or not self.machine.move(trigger):
            return
        self._record = None
        self.deadline = None
        step.put(records.RELOCK, None)
        self._journal.report(
            step,
            kind,
            reason=reason,
            values={vss.RELOCKED_BY: by} if by else None,
            request_id=record.request_id,
            incident_id=record.incident_id,
        )


def _by_people(changes: Iterable[Change]) -> Reason:
    """Return what in these changes shows that somebody uses the car, `NONE` if nothing does."""
    seen = tuple(changes)
    if any(change.path in vss.DOORS_OPEN and change.new is True for change in seen):
        return Reason.DOOR_OPENED
    if preconditions.shows_driving(seen):
        return Reason.DRIVEN
    if any(change.path == vss.USAGE_MODE and change.new in _KEY_MODES for change in seen):
        return Reason.KEY_USED
    return Reason.NONE
