"""Remote unlock, direct and armed: from an accepted grant to a stored result. Theory and table: `states`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import TransmitUnlock, WakeBus
from tcu_agent.core.events import Value
from tcu_agent.core.machine import Machine
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.unlock import preconditions
from tcu_agent.core.unlock.intent import UnlockIntent
from tcu_agent.core.unlock.outcomes import Outcomes
from tcu_agent.core.unlock.states import TABLE, State, Trigger
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.core.verify.authorisation import (
    RelockAuthorisation,
    UnlockAuthorisation,
    relock_after_unlock,
)
from tcu_agent.protocol.vocabulary import (
    EventKind,
    LockState,
    Outcome,
    Reason,
    Relock,
    UnlockMode,
)

__all__ = ["TABLE", "State", "Trigger", "Unlock"]

_REFUSALS: Final[Mapping[Value, str]] = {
    "refused": "central locking will not move the locks now",
    "authentication-failed": "wrong SecOC key or freshness?",
}
"""What central locking answers when it will not (`vss.CENTRAL_LOCKING_RESPONSE`), and what to say of it in the log."""

_EFFECT_S: Final = 30.0
"""How long after a frame a lock may still open because of it: a frozen actuator tries several times."""

_ANSWERED_S: Final = 1.0
"""How long after a frame a lock that it opens may still be seen locked: central locking has to check it first."""

_NO_FRAME = frozenset({Trigger.FRAME_TAKEN_BACK, Trigger.NOT_SENT})
"""How a frame ends that was decided on and never left: it has opened nothing."""

_MAY_PASS = frozenset({Reason.SIGNALS_UNKNOWN, Reason.BUSY})
"""Refusals that may be over before the grant's own time is."""

Executed = Callable[[Step, RelockAuthorisation, bytes], None]
"""Told about each executed unlock: permission to lock again, and the incident it belongs to."""


@dataclass(slots=True, kw_only=True)
class _Job:
    """The unlock that is going on. Times: CLOCK_BOOTTIME, s."""

    intent: UnlockIntent
    grant: UnlockAuthorisation
    began_at: float
    until: float
    """End of the grant's own time: of the challenge's lifetime, or of the plate's window. No frame after it."""
    deadline: float
    is_armed: bool
    sent_at: float = float("-inf")
    refused_at: float = float("inf")
    is_doubtful: bool = False
    """The transport cannot say whether the frame went out."""


class Unlock:
    """One unlock at a time, from an accepted grant to a stored result."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        outcomes: Outcomes,
        executed: Executed,
        is_locking: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._vehicle = vehicle
        self._journal = journal
        self._outcomes = outcomes
        self._executed = executed
        self._is_locking = is_locking
        self._job: _Job | None = None
        self._last_frame_at = float("-inf")
        self.machine = Machine(TABLE, State.IDLE)

    @property
    def request_id(self) -> bytes | None:
        """The request that is going on, None if there is none."""
        return self._job.intent.common.request_id if self._job else None

    @property
    def is_acting(self) -> bool:
        """Whether a frame is about to go out or was sent and not yet judged."""
        return self.machine.state in {State.FIRING, State.WAITING}

    def is_ours(self, *, locked_at: float, opened_at: float) -> bool:
        """Whether a command of ours may have opened a lock. Both times: CLOCK_BOOTTIME, s.

        `locked_at`: when it was seen locked last; `opened_at`: when it was seen open. A frame explains what is seen
        while it takes effect, and later only what nobody saw locked after it had left: not what was locked again since.
        One that still waits to be sent explains nothing.
        """
        if self.machine.state is State.WAITING or opened_at - self._last_frame_at <= _EFFECT_S:
            return True
        left_by = self._last_frame_at + self._settings.fresh_s  # see `_fire`
        return locked_at <= left_by + _ANSWERED_S

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        return self._job.deadline if self._job else None

    def start(self, step: Step, intent: UnlockIntent | None) -> None:
        """Settle the intent that a restart cut off: nothing is tried again."""
        if intent is None:
            return
        self.machine.state = State.FIRING if intent.is_firing else State.ARMED
        self.machine.move(Trigger.RESTARTED)
        if intent.is_firing:  # the frame may have left a moment ago, and the locks be about to open
            self._last_frame_at = step.now
        outcome = Outcome.UNKNOWN if intent.is_firing else Outcome.CANCELLED
        self._store(step, intent, outcome, Reason.RESTARTED, since=float("inf"))
        if not intent.is_firing:
            self._tell(step, intent, EventKind.UNLOCK_DISARMED, Reason.RESTARTED)

    def accept(self, step: Step, grant: UnlockAuthorisation) -> None:
        """Begin what a grant allows, or settle it as busy."""
        is_armed = grant.parameters.mode is UnlockMode.ARMED
        if not self.machine.move(Trigger.ACCEPTED_ARMED if is_armed else Trigger.ACCEPTED_DIRECT):
            self._outcomes.settle(
                step,
                common=grant.common,
                grant_hash=grant.grant_hash,
                outcome=Outcome.REFUSED,
                reason=Reason.BUSY,
            )
            return
        until = step.now + (grant.parameters.window_s or 0) if is_armed else grant.expires_at
        intent = UnlockIntent(
            common=grant.common,
            incident_id=grant.incident_id,
            grant_hash=grant.grant_hash,
            is_firing=not is_armed,
        )
        job = _Job(
            intent=intent,
            grant=grant,
            began_at=step.now,
            until=until,
            deadline=until,
            is_armed=is_armed,
        )
        self._job = job
        step.put(records.UNLOCK, intent.to_bytes())
        if is_armed:
            self._tell(step, intent, EventKind.UNLOCK_ARMED, Reason.NONE)
        else:
            self._prepare(step, job)

    def advance(self, step: Step, changes: Iterable[Change]) -> None:
        """Look at time and signals again: called once for each event, before anything new is accepted."""
        job = self._job
        if job is None:
            return
        if self.machine.state is State.ARMED:
            self._watch(step, job, changes)
        elif self.machine.state is State.FIRING:
            self._judge(step, job)
        else:
            self._observe(step, job, changes)

    def cancel(self, step: Step) -> None:
        """Give up what has not moved yet: a generation changed or the subscription ended.

        A frame that this very step has decided on would leave after the news are durable: it is taken back. The durable
        intent goes with the outcome, in the transaction that holds the news; cut off before, it ends as unknown.
        """
        trigger = Trigger.GENERATION_CHANGED
        if self._job and step.withdraw(TransmitUnlock):
            trigger = Trigger.FRAME_TAKEN_BACK
        self._end(step, trigger, Outcome.CANCELLED, Reason.GENERATION_CHANGED)

    def intent_not_durable(self, step: Step) -> None:
        """The intent could not be made durable: nothing may move."""
        self._end(step, Trigger.NOT_DURABLE, Outcome.REFUSED, Reason.STATE_CORRUPT)

    def transmit_failed(self, step: Step, reason: Reason, *, may_have_happened: bool) -> None:
        """The frame did not leave, or nobody knows."""
        if may_have_happened and self._job:
            self._job.is_doubtful = True
        else:
            self._end(step, Trigger.NOT_SENT, Outcome.FAILED, reason)

    def _watch(self, step: Step, job: _Job, changes: Iterable[Change]) -> None:
        if step.now >= job.until:
            self._end(step, Trigger.WINDOW_PASSED, Outcome.CANCELLED, Reason.WINDOW_PASSED)
        elif preconditions.shows_driving(changes):
            self._end(step, Trigger.DRIVEN_OFF, Outcome.CANCELLED, Reason.DRIVEN)
        elif any(_is_plate_pressed(change, after=job.began_at) for change in changes):
            self.machine.move(Trigger.PLATE_PRESSED)
            job.intent = replace(job.intent, is_firing=True)
            step.put(records.UNLOCK, job.intent.to_bytes())
            self._prepare(step, job)

    def _prepare(self, step: Step, job: _Job) -> None:
        job.began_at = step.now
        job.deadline = step.now  # the next step comes at once: by then the intent is durable
        known = preconditions.refusal(self._vehicle, self._settings, step.now)
        # An open car is looked at once more, and its bus may be about to fall asleep.
        if known is Reason.SIGNALS_UNKNOWN or self._is_open(step):
            step.do(WakeBus("unlock"))

    def _judge(self, step: Step, job: _Job) -> None:
        refusal = preconditions.refusal(self._vehicle, self._settings, step.now)
        if refusal is Reason.NONE and self._is_locking():
            refusal = Reason.BUSY  # a re-lock settles within seconds: one actuation at a time
        if refusal is Reason.NONE and self._is_open(step) and not self._is_settled(job):
            refusal = Reason.SIGNALS_UNKNOWN
        last_look = min(job.until, job.began_at + self._settings.fresh_timeout_s)
        if refusal in _MAY_PASS and step.now < last_look:
            job.deadline = last_look
        elif refusal is not Reason.NONE:
            if refusal is Reason.SIGNALS_UNKNOWN:
                self._note_unseen(step, job)
            self._end(step, Trigger.NOT_ALLOWED, Outcome.REFUSED, refusal)
        elif step.now > job.until:
            self._end_too_late(step, job)
        elif self._is_open(step):
            self._end(step, Trigger.ALREADY_UNLOCKED, Outcome.EXECUTED, Reason.ALREADY_UNLOCKED)
        else:
            self._fire(step, job)

    def _is_open(self, step: Step) -> bool:
        return preconditions.all_are(self._seen(self._fresh_since(step)), LockState.UNLOCKED)

    def _note_unseen(self, step: Step, job: _Job) -> None:
        needed = (*preconditions.MOTION, *self._settings.locks)
        since = self._fresh_since(step)
        unseen = preconditions.unseen(self._vehicle, needed, since=since)
        # All were seen lately: so it is an open car, of which a lock still moves.
        moving = preconditions.unseen(self._vehicle, self._settings.locks, since=job.began_at)
        step.note("signals-unknown", command="unlock", paths=unseen or moving)

    def _is_settled(self, job: _Job) -> bool:
        """Whether every lock has been seen since this was asked: one that moves keeps its last position, and is not."""
        return LockState.UNKNOWN not in self._seen(job.began_at).values()

    def _fire(self, step: Step, job: _Job) -> None:
        self.machine.move(Trigger.ALLOWED)
        job.sent_at = step.now
        job.deadline = step.now + self._settings.status_timeout_s
        # No later than the grant allows, nor than what was judged just now may be believed.
        step.do(
            TransmitUnlock(job.grant, not_after=min(job.until, step.now + self._settings.fresh_s))
        )

    def _observe(self, step: Step, job: _Job, changes: Iterable[Change]) -> None:
        for change in changes:
            if _is_refusal(change, after=job.sent_at):
                job.refused_at = change.at
                step.note(
                    "central-locking-refused",
                    answer=str(change.new),
                    detail=_REFUSALS[change.new],
                )
        if preconditions.all_are(self._seen(job.sent_at), LockState.UNLOCKED):
            self._end(step, Trigger.UNLOCKED, Outcome.EXECUTED, Reason.NONE)
        # The answer of central locking alone decides nothing: the locks must say the same after it.
        elif preconditions.all_are(self._seen(job.refused_at), LockState.LOCKED):
            self._end(step, Trigger.REFUSED_BY_CAR, Outcome.REFUSED, Reason.VEHICLE_REFUSED)
        elif step.now >= job.deadline:
            self._give_up(step, job)

    def _give_up(self, step: Step, job: _Job) -> None:
        states = self._seen(max(job.sent_at, self._fresh_since(step)))
        if LockState.LOCKED in states.values() and not job.is_doubtful:
            verdict = (Outcome.FAILED, Reason.DOORS_STILL_LOCKED)
        elif job.is_doubtful:
            verdict = (Outcome.UNKNOWN, Reason.TRANSMIT_FAILED)
        else:
            verdict = (Outcome.UNKNOWN, Reason.NO_STATUS)
        self._end(step, Trigger.NO_STATUS_IN_TIME, *verdict)

    def _end_too_late(self, step: Step, job: _Job) -> None:
        if job.is_armed:
            self._end(step, Trigger.TOO_LATE, Outcome.CANCELLED, Reason.WINDOW_PASSED)
        else:
            self._end(step, Trigger.TOO_LATE, Outcome.REFUSED, Reason.CHALLENGE_EXPIRED)

    def _end(self, step: Step, trigger: Trigger, outcome: Outcome, reason: Reason) -> None:
        """Settle the unlock that is going on, if the table has a row for it."""
        job = self._job
        if job is None or not self.machine.move(trigger):
            return
        self._job = None
        if trigger in _NO_FRAME:
            job.sent_at = float("-inf")
        self._last_frame_at = max(self._last_frame_at, job.sent_at)
        since = max(job.sent_at, self._fresh_since(step))
        self._store(step, job.intent, outcome, reason, since=since)
        if job.is_armed and outcome is Outcome.CANCELLED:
            self._tell(step, job.intent, EventKind.UNLOCK_DISARMED, reason)
        if outcome is Outcome.EXECUTED:
            permission = relock_after_unlock(job.intent.common.request_id)
            self._executed(step, permission, job.intent.incident_id)

    def _store(
        self, step: Step, intent: UnlockIntent, outcome: Outcome, reason: Reason, *, since: float
    ) -> None:
        """Store outcome and result, and remove the intent, in one transaction."""
        is_executed = outcome is Outcome.EXECUTED
        self._outcomes.settle(
            step,
            common=intent.common,
            grant_hash=intent.grant_hash,
            outcome=outcome,
            reason=reason,
            locks=self._seen(since),
            relock=self._settings.relock if is_executed else Relock.NONE,
        )
        step.put(records.UNLOCK, None)

    def _seen(self, since: float) -> Mapping[int, LockState]:
        return preconditions.lock_states(self._vehicle, self._settings.locks, since=since)

    def _fresh_since(self, step: Step) -> float:
        return step.now - self._settings.fresh_s

    def _tell(self, step: Step, intent: UnlockIntent, kind: EventKind, reason: Reason) -> None:
        self._journal.report(
            step,
            kind,
            reason=reason,
            request_id=intent.common.request_id,
            incident_id=intent.incident_id,
        )


def _is_plate_pressed(change: Change, *, after: float) -> bool:
    return (
        change.path == vss.PLATE
        and change.old is False
        and change.new is True
        and change.at >= after
    )


def _is_refusal(change: Change, *, after: float) -> bool:
    return (
        change.path == vss.CENTRAL_LOCKING_RESPONSE
        and change.new in _REFUSALS
        and change.at > after
    )
