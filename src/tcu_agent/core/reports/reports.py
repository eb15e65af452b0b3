"""What the car tells by itself: changed states, bus and security events; and its state when asked.

States leave the car only while a subscription is active. A sleeping bus says nothing, and nothing is said
about it: what was true before the sleep is compared with what is true after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from tcu_agent.core import vss
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.events import BusFaulted, SecurityObserved, Value
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.limited import LimitedReports, Report
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.vehicle import Change, VehicleState
from tcu_agent.protocol.messages import Request
from tcu_agent.protocol.vocabulary import EventKind, Reason

BURST = 10
PER_MINUTE = 6
"""Bus events, attacks, and unlocks by nobody (`watch`), each: who is on the bus causes them at will, and must not fill
disk or outbox.

Not together: a bus that flickers between error-active and error-warning, as bad wiring does, must not hide an attack.
"""

STATE_BURST = 10
STATE_PER_MINUTE = 10
"""State requests: an operator looks a few times; more is somebody with a stolen command key, wearing the disk."""
STATE_WAITING = 8
"""State reports that the centre has not acknowledged: they are kept until it has, and must not fill the disk."""

_SECURITY_REASONS: Mapping[str, Reason] = {
    "e2e-failed": Reason.E2E_FAILED,
    "own-id-from-other-node": Reason.OWN_ID_FROM_OTHER_NODE,
    "late-on-the-bus": Reason.LATE_ON_THE_BUS,
}


class Reports:
    """Turns what was seen into signed events."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        vehicle: VehicleState,
        journal: Journal,
        knowledge: Knowledge,
        now: float,
    ) -> None:
        self._reported = frozenset(settings.reported)
        self._paths = settings.reported
        self._vehicle = vehicle
        self._journal = journal
        self._knowledge = knowledge
        self._buses, self._attacks = (
            LimitedReports(
                kind,
                journal=journal,
                bucket=Bucket(burst=BURST, per_minute=PER_MINUTE, now=now),
            )
            for kind in (EventKind.BUS_STATE, EventKind.SECURITY)
        )
        self._asked = Bucket(burst=STATE_BURST, per_minute=STATE_PER_MINUTE, now=now)
        self._waiting: deque[int] = deque()
        """Numbers of the state reports of this boot that are not known to be acknowledged."""

    @property
    def deadline(self) -> float | None:
        """When `advance` is wanted, CLOCK_BOOTTIME, s."""
        soonest = self._buses.deadline, self._attacks.deadline
        return min((each for each in soonest if each is not None), default=None)

    def advance(self, step: Step) -> None:
        """Tell what had to wait: called once for each event."""
        for limited in (self._buses, self._attacks):
            if limited.deadline is not None and step.now >= limited.deadline:
                limited.advance(step)

    def tell_changes(self, step: Step, changes: Iterable[Change]) -> None:
        """Report what really changed, all of one frame in one event."""
        told = {
            change.path: change.new
            for change in changes
            if change.path in self._reported and change.new != change.old
        }
        if not told or not self._knowledge.is_subscribed:
            return
        self._journal.report(step, EventKind.STATE_CHANGED, values=told)

    def tell_state(self, step: Step, request: Request) -> Reason:
        """Answer a state request from what is known now (null = unknown or asleep); wakes nothing.

        Return `BUSY`, and tell nothing, where too much was asked or too many answers wait for the centre.
        """
        while self._waiting and self._waiting[0] <= self._journal.acknowledged:
            self._waiting.popleft()
        if len(self._waiting) >= STATE_WAITING or not self._asked.take(step.now):
            return Reason.BUSY
        values = {path: self._vehicle.value(path) for path in self._paths}
        report = self._journal.report(
            step,
            EventKind.STATE_REPORT,
            values=values,
            request_id=request.request_id,
            incident_id=request.incident_id,
        )
        self._waiting.append(report.seq)
        return Reason.NONE

    def tell_bus(self, step: Step, fault: BusFaulted) -> None:
        """Report that a bus has a fault, or has none any more."""
        about = (fault.bus,)
        told = self._buses.told(about)
        if fault.state == (told.values[vss.BUS_STATE] if told else "error-active"):
            self._buses.withdraw(step, about)
            return
        values = {vss.BUS_NAME: fault.bus, vss.BUS_STATE: fault.state}
        self._buses.tell(step, about, Report(values=values))

    def tell_security(self, step: Step, seen: SecurityObserved) -> None:
        """Report what an attacker on the bus might have caused."""
        values: dict[str, Value] = {
            vss.BUS_NAME: seen.bus,
            vss.OBSERVED_MESSAGE: seen.message,
            vss.OBSERVED_COUNT: seen.count,
        }
        if seen.command:
            values[vss.OBSERVED_COMMAND] = seen.command
        reason = _SECURITY_REASONS.get(seen.kind, Reason.NONE)
        about = (seen.bus, seen.kind, seen.message, seen.command)
        self._attacks.tell(step, about, Report(values=values, reason=reason))
