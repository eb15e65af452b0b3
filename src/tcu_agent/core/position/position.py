"""Where the car is, sealed to the theft desk. Theory and table: `states`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from tcu_agent.core.durable import records
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.effects import SealPosition, WakeBus
from tcu_agent.core.machine import Machine
from tcu_agent.core.position.cases import Cases
from tcu_agent.core.position.fixes import FixSource
from tcu_agent.core.position.least_wall import WALL_LOOK_S, LeastWall
from tcu_agent.core.position.record import PositionRecord
from tcu_agent.core.position.states import TABLE, State, Trigger
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.unlock.outcomes import Outcomes
from tcu_agent.core.verify.authorisation import PositionAuthorisation, resume_position
from tcu_agent.protocol.vocabulary import EventKind, FixQuality, Outcome, PositionKind, Reason

PROOF_WAIT_S = 300.0
"""How long a tracking waits, after a power cut, for a clock that proves what is left: modems take their time."""
PROOF_LOOK_S = 1.0
"""How often it wants to be called meanwhile, so that whoever knows of the clock looks at it."""

__all__ = ["TABLE", "PositionCase", "State", "Trigger"]


@dataclass(slots=True, kw_only=True)
class _Job:
    """The case that is going on. Times: CLOCK_BOOTTIME, s."""

    record: PositionRecord
    permission: PositionAuthorisation
    until: float
    """Snapshot: end of the grant's own time. Tracking: the stop time."""
    deadline: float
    next_fix_at: float = 0.0
    search_until: float = 0.0
    tried: int = 0
    sealed: int = 0
    has_place: bool = False
    is_late: bool = False
    """The last fix was not sealed because its time was over by then."""
    least_wall: LeastWall = field(default_factory=LeastWall)
    proof_until: float | None = None
    """Tracking after a power cut: nothing proves yet how much time is left; waits for it so long, and takes no fix."""
    is_new: bool = True
    """Its acceptance is part of this very step or the one before: not known to be durable."""


class PositionCase:
    """One case at a time, from an accepted grant to a stored result."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        fixes: FixSource,
        journal: Journal,
        outcomes: Outcomes,
        knowledge: Knowledge,
        boot_session: str,
    ) -> None:
        self._settings = settings
        self._fixes = fixes
        self._journal = journal
        self._outcomes = outcomes
        self._knowledge = knowledge
        self._boot_session = boot_session
        self._job: _Job | None = None
        self.cases = Cases()
        self.machine = Machine(TABLE, State.IDLE)

    @property
    def request_id(self) -> bytes | None:
        """The request that is going on, None if there is none."""
        return self._job.record.common.request_id if self._job else None

    @property
    def case_id(self) -> bytes | None:
        """The theft case that is going on, None if there is none."""
        return self._job.record.case_id if self._job else None

    @property
    def open_cases(self) -> frozenset[bytes]:
        """Cases that may be ended: the one that is going on, and those with sealed positions."""
        going_on = {self._job.record.case_id} if self._job else set()
        return frozenset(self.cases.last_seqs) | going_on

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        return self._job.deadline if self._job else None

    def start(self, step: Step, record: PositionRecord | None, *, is_corrupt: bool) -> None:
        """Go on with a tracking as far as its time can be proven; a snapshot is not tried again."""
        self.cases.start(step)
        if record is None:
            return
        is_tracking = record.parameters.kind is PositionKind.TRACKING
        self.machine.state = State.TRACKING if is_tracking else State.LOOKING
        left_s = record.provable_s(boot_session=self._boot_session, now=step.now, wall=step.wall)
        self._job = _resumed(record, step.now, left_s or 0.0)
        if not is_tracking:
            self._end(step, Trigger.RESTARTED, Outcome.UNKNOWN, Reason.RESTARTED)
        elif is_corrupt:
            self._end(step, Trigger.RIGHT_ENDED, Outcome.CANCELLED, Reason.STATE_CORRUPT)
        elif left_s is None and step.wall is None and record.saved_wall is not None:
            # A board that has just booted seldom has the time: a thief need not do more than pull a plug for a second.
            self._job.proof_until = self._job.until = step.now + PROOF_WAIT_S
        else:
            if record.boot_session == self._boot_session:
                self._job.least_wall = record.least_wall
            self._go_on(step, self._job, left_s)

    def _go_on(self, step: Step, job: _Job, left_s: float | None) -> None:
        """Go on with a tracking after a restart, as long as is proven to be left (s; None = nothing is)."""
        if left_s is None:
            reason = Reason.TIME_NOT_PROVEN
            self._end(step, Trigger.TIME_NOT_PROVEN, Outcome.CANCELLED, reason)
        elif left_s <= 0:
            self._end(step, Trigger.STOP_TIME, Outcome.EXECUTED, Reason.STOP_TIME)
        else:
            self.machine.move(Trigger.RESTARTED)
            job.until = step.now + left_s
            job.next_fix_at = job.deadline = step.now
            self._save(step, job)

    def accept(self, step: Step, grant: PositionAuthorisation) -> None:
        """Begin what a grant allows, or settle it as busy."""
        is_tracking = grant.parameters.kind is PositionKind.TRACKING
        trigger = Trigger.ACCEPTED_TRACKING if is_tracking else Trigger.ACCEPTED_SNAPSHOT
        if not self.machine.move(trigger):
            self._outcomes.settle(
                step,
                common=grant.common,
                grant_hash=grant.grant_hash,
                outcome=Outcome.REFUSED,
                reason=Reason.BUSY,
            )
            return
        duration_s = grant.parameters.duration_s or 0
        until = grant.accepted_at + duration_s if is_tracking else grant.expires_at
        job = _Job(
            record=_record(grant, stop_at=until, boot_session=self._boot_session),
            permission=grant,
            until=until,
            deadline=step.now,  # the next step comes at once: by then the intent is durable
            next_fix_at=step.now,
            search_until=min(until, step.now + self._settings.snapshot_wait_s),
        )
        self._job = job
        self._save(step, job)
        if is_tracking:
            self._tell(step, job, EventKind.TRACKING_STARTED, Reason.NONE)
        else:
            self._wake(step)

    def advance(self, step: Step) -> None:
        """Look at time and signals again: called once for each event, before anything new is accepted."""
        self._fixes.advance(step.now)
        self.cases.advance(step)
        job = self._job
        if job is None:
            return
        job.is_new = False
        if self.machine.state is State.LOOKING:
            self._look(step, job)
        elif self.machine.state is State.SEALING:
            # Sealed in this step only, because an effect before it has failed: judged in the next.
            if not step.seals:
                self._conclude(step, job)
        else:
            self._track(step, job)

    def not_durable(self, step: Step) -> None:
        """The acceptance could not be made durable: nothing is sealed."""
        if self._job is not None and self._job.is_new:
            self._end(step, Trigger.NOT_DURABLE, Outcome.REFUSED, Reason.STATE_CORRUPT)

    def not_sealed(self, effect: SealPosition, *, is_too_late: bool) -> None:
        """The last fix was not sealed, or not stored: its number is free again."""
        self.cases.take_back(effect.authorisation.case_id, effect.seq)
        if self._job is not None:
            self._job.sealed -= 1
            self._job.is_late = is_too_late

    def right_ended(self, step: Step, reason: Reason) -> None:
        """The owner changed or the subscription ended: stop, and erase what is still stored of every case."""
        cases = sorted(self.open_cases)
        self._end(step, Trigger.RIGHT_ENDED, Outcome.CANCELLED, reason)
        for case_id in cases:
            self.cases.end(step, case_id)

    def pin_changed(self, step: Step) -> None:
        """A new PIN: what has not begun does not begin; tracking goes on."""
        self._end(step, Trigger.PIN_CHANGED, Outcome.CANCELLED, Reason.GENERATION_CHANGED)

    def keys_changed(self, step: Step) -> None:
        """Another bundle: as a new PIN; a fix of this very step is for a desk that may be gone, and is taken anew."""
        self.pin_changed(step)
        if self._job is not None and self._take_back(step, self._job):
            self._job.next_fix_at = self._job.deadline = step.now

    def case_ended(self, step: Step, case_id: bytes) -> None:
        """The case is over: stop, and erase what is still stored of it."""
        if self._job is not None and self._job.record.case_id == case_id:
            is_snapshot = self.machine.state in {State.LOOKING, State.SEALING}
            outcome = Outcome.CANCELLED if is_snapshot else Outcome.EXECUTED
            self._end(step, Trigger.CASE_ENDED, outcome, Reason.CASE_ENDED)
        self.cases.end(step, case_id)

    def _look(self, step: Step, job: _Job) -> None:
        if step.now > job.until:
            self._end(step, Trigger.TOO_LATE, Outcome.REFUSED, Reason.CHALLENGE_EXPIRED)
        elif self._fixes.is_fresh(step.now) or step.now >= job.search_until:
            self.machine.move(Trigger.FIX_TAKEN)
            self._seal(step, job)
            # The next step comes at once: by then sealing has failed or not.
            job.deadline = step.now
        else:
            job.deadline = job.search_until

    def _conclude(self, step: Step, job: _Job) -> None:
        if job.sealed == 0:
            reason = Reason.TOO_LATE if job.is_late else Reason.SEAL_FAILED
            self._end(step, Trigger.NOT_SEALED, Outcome.FAILED, reason)
        elif not job.has_place:
            self._end(step, Trigger.SEALED, Outcome.FAILED, Reason.NO_FIX)
        else:
            self._end(step, Trigger.SEALED, Outcome.EXECUTED, Reason.NONE)

    def _track(self, step: Step, job: _Job) -> None:
        if job.proof_until is not None:
            self._await_proof(step, job, job.proof_until)
            return
        if step.now >= job.until:
            self._end(step, Trigger.STOP_TIME, Outcome.EXECUTED, Reason.STOP_TIME)
            return
        job.least_wall.look(now=step.now, wall=step.wall)
        if job.least_wall.is_news:
            self._save(step, job)
        interval_s = job.record.parameters.interval_s or 1
        if step.now >= job.next_fix_at and self.machine.move(Trigger.FIX_DUE):
            wait_s = min(self._settings.fresh_timeout_s, interval_s)
            job.search_until = min(job.until, step.now + wait_s)
            self._wake(step)
        if self.machine.state is State.SEARCHING:
            self._search(step, job, interval_s)
        is_searching = self.machine.state is State.SEARCHING
        look_at = job.search_until if is_searching else job.next_fix_at
        job.deadline = min(job.until, look_at, step.now + WALL_LOOK_S)

    def _await_proof(self, step: Step, job: _Job, proof_until: float) -> None:
        """Go on with what the wall clock leaves as soon as it can be believed."""
        job.deadline = min(proof_until, step.now + PROOF_LOOK_S)
        if step.wall is None and step.now < proof_until:
            return
        job.proof_until = None
        left_s = job.record.provable_s(
            boot_session=self._boot_session, now=step.now, wall=step.wall
        )
        self._go_on(step, job, left_s)

    def _search(self, step: Step, job: _Job, interval_s: int) -> None:
        if self._fixes.is_fresh(step.now) or step.now >= job.search_until:
            self.machine.move(Trigger.FIX_TAKEN)
            missed = math.floor((step.now - job.next_fix_at) / interval_s)
            job.next_fix_at += (missed + 1) * interval_s
            self._save(step, job)
            self._seal(step, job)

    def _seal(self, step: Step, job: _Job) -> None:
        fix = self._fixes.fix(step.now, step.wall)
        job.tried += 1
        job.has_place = fix.quality is not FixQuality.NONE
        keyring = self._knowledge.keyring
        recipient = keyring.position_recipient() if keyring else None
        if recipient is None:
            step.note("no-recipient")
            return
        job.sealed += 1
        seq, puts = self.cases.next_seq(step, job.record.case_id)
        step.do(
            SealPosition(
                job.permission,
                seq,
                fix,
                recipient,
                stream_id=self._journal.stream_id,
                not_after=job.until,
                puts=puts,
            )
        )

    def _take_back(self, step: Step, job: _Job) -> bool:
        """Take back the fix that this very step wanted to seal, if there is one; returns whether there was."""
        withdrawn = step.withdraw(SealPosition)
        for sealing in withdrawn:
            self.cases.take_back(sealing.authorisation.case_id, sealing.seq)
            job.sealed -= 1
            job.tried -= 1
        return bool(withdrawn)

    def _save(self, step: Step, job: _Job) -> None:
        """Make durable how much time is left, before any fix that this step takes."""
        job.least_wall.look(now=step.now, wall=step.wall)
        job.record = replace(
            job.record,
            boot_session=self._boot_session,
            stop_at=job.until,
            remaining_s=job.until - step.now,
            saved_wall=job.least_wall.store(step.now),
        )
        step.put(records.POSITION, job.record.to_bytes())

    def _wake(self, step: Step) -> None:
        if not self._fixes.is_fresh(step.now):
            step.do(WakeBus("position"))

    def _end(self, step: Step, trigger: Trigger, outcome: Outcome, reason: Reason) -> None:
        """Store outcome and result, and remove the case, in one transaction."""
        job = self._job
        if job is None or not self.machine.move(trigger):
            return
        # A fix that was due in the very step that ends the case: its record goes now, so it must not come after it.
        self._take_back(step, job)
        self._job = None
        if job.record.parameters.kind is PositionKind.TRACKING:
            self._tell(step, job, EventKind.TRACKING_ENDED, reason)
            if outcome is Outcome.EXECUTED and job.tried > 0 and job.sealed <= 0:
                outcome, reason = Outcome.FAILED, Reason.SEAL_FAILED
        self._outcomes.settle(
            step,
            common=job.record.common,
            grant_hash=job.record.grant_hash,
            outcome=outcome,
            reason=reason,
        )
        step.put(records.POSITION, None)

    def _tell(self, step: Step, job: _Job, kind: EventKind, reason: Reason) -> None:
        self._journal.report(
            step,
            kind,
            reason=reason,
            request_id=job.record.common.request_id,
            incident_id=job.record.case_id,
        )


def _record(grant: PositionAuthorisation, *, stop_at: float, boot_session: str) -> PositionRecord:
    return PositionRecord(
        common=grant.common,
        parameters=grant.parameters,
        case_id=grant.case_id,
        grant_hash=grant.grant_hash,
        boot_session=boot_session,
        stop_at=stop_at,
        remaining_s=0.0,
        saved_wall=None,
    )


def _resumed(record: PositionRecord, now: float, left_s: float) -> _Job:
    permission = resume_position(
        common=record.common,
        parameters=record.parameters,
        case_id=record.case_id,
        grant_hash=record.grant_hash,
    )
    return _Job(
        record=record,
        permission=permission,
        until=now + left_s,
        deadline=now,
        next_fix_at=now,
        sealed=1,  # whether there was one before the restart is not known: failures are not counted up
        is_new=False,
    )
