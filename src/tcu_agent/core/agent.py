"""The core's one entry: events in, effects out.

How to drive it (the runtime and every bench do exactly this):

1. ``core = Core(settings=..., boot_id=..., boot_session=..., stored=..., now=..., wall=..., random=...)``.
   `boot_id`: 8 fresh random bytes. `stored`: what `StatePort.load` gave, the empty mapping at the very first start,
   None where it cannot be read at all. `random`: 16 fresh random bytes. Corrupt or newer records never raise: remote
   services then refuse with ``state-corrupt`` and ON CALL goes on.
2. Carry out ``core.start(now=..., wall=...)`` once, before any event.
3. For each event: ``effects = core.handle(event, now=..., wall=...)``; carry out all of them, strictly in order, BEFORE
   the next call of `handle`. If one fails, the effects behind it are dropped and ``EffectFailed(effect, ...)`` is the
   VERY NEXT event that goes in. No failure reported = all of it happened.
4. After each call, look at ``core.next_deadline()`` (CLOCK_BOOTTIME, s; may lie in the past: then at once) and put in
   ``TimePassed`` when it is reached. Too early or too often is harmless.

What the effects of one call look like: at most ONE `Persist`, and it stands first (so one transaction protects all that
follows); then the rest in order. `now` is CLOCK_BOOTTIME and never goes back; `wall` is None unless something outside
(NTP, GNSS) keeps the wall clock right: what is stored of a wrong one would be a proof after the next power cut.

Two calls instead of one where something must be durable first and judged afterwards: an unlock's intent is persisted by
one call; the next one (`next_deadline` lies in the past, so it comes at once) looks at age and signals again and sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from tcu_agent.core import events, vss
from tcu_agent.core.durable.failures import Failures
from tcu_agent.core.durable.restore import closes_remote_services, restore
from tcu_agent.core.effects import RECORD_CORRUPT, RECORD_FORGOTTEN, Effect, SendMessage
from tcu_agent.core.intake import Intake
from tcu_agent.core.parts import build
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.vehicle import Change
from tcu_agent.protocol.messages import Availability
from tcu_agent.protocol.vocabulary import EventKind, Presence, Reason


class Core:
    """All machines of the agent behind one `handle`."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        boot_id: bytes,
        boot_session: str,
        stored: Mapping[str, bytes] | None,
        now: float,
        wall: float | None,  # noqa: ARG002 - one shape with `start` and `handle`; nothing is decided before `start`
        random: bytes,
    ) -> None:
        """Restore from `stored` (None: it cannot be read at all); nothing happens before `start`."""
        self._parts = build(
            settings=settings,
            boot_id=boot_id,
            boot_session=boot_session,
            stream_id=random[:8],
            now=now,
        )
        self._open = restore(self._parts, stored)
        self._intake = Intake(self._parts)
        self._failures = Failures(self._parts)
        self._now = now
        self._last: tuple[Effect, ...] = ()

    def start(self, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what a start has to do: settle open intents, resume call, re-lock and tracking, report STARTED."""
        parts = self._parts
        step = self._begin(now, wall, None)
        reason = Reason.STATE_CORRUPT if parts.is_corrupt else Reason.NONE
        parts.journal.report(step, EventKind.STARTED, reason=reason)
        for record in self.corrupt:
            is_closing = closes_remote_services(record)
            step.note(RECORD_CORRUPT if is_closing else RECORD_FORGOTTEN, record=record)
        parts.unlock.start(step, self._open.unlock)
        parts.relock.start(step, self._open.relock)
        parts.position.start(step, self._open.position, is_corrupt=parts.is_corrupt)
        parts.on_call.start(step, self._open.call)
        parts.theft_notice.start(step, self._open.alarm)
        parts.tow.start(self._open.tow)
        parts.reachability.start(step, self._open.parked)
        return self._finish(step)

    def handle(
        self, event: events.CoreEvent, *, now: float, wall: float | None
    ) -> tuple[Effect, ...]:
        """Return what to do about `event`, in order."""
        random = event.random if isinstance(event, events.TimePassed) else None
        step = self._begin(now, wall, random)
        if isinstance(event, events.EffectFailed):
            self._failures.take(step, event, behind=self._behind(event.effect))
        self._advance(step, self._observed(step, event))
        if isinstance(event, events.MessageArrived):
            self._intake.take(step, event)
        return self._finish(step)

    def next_deadline(self) -> float | None:
        """Return when `TimePassed` is wanted next, or None."""
        parts = self._parts
        deadlines = (
            parts.button.deadline,
            parts.on_call.deadline,
            parts.unlock.deadline,
            parts.relock.deadline,
            parts.position.deadline,
            parts.position.cases.deadline,
            parts.theft_notice.deadline,
            parts.reports.deadline,
            parts.watch.deadline,
            parts.reachability.deadline,
            parts.unsaved.deadline,
        )
        return min((each for each in deadlines if each is not None), default=None)

    @property
    def corrupt(self) -> tuple[str, ...]:
        """The keys of stored records that could not be read."""
        return tuple(self._open.corrupt)

    def snapshot(self) -> Mapping[str, object]:
        """Return machine states and marks for tests and `tcu-agent` diagnostics; no secrets, no positions."""
        parts = self._parts
        return {
            "unlock": parts.unlock.machine.state.value,
            "relock": parts.relock.machine.state.value,
            "position": parts.position.machine.state.value,
            "button": parts.button.machine.state.value,
            "call": parts.on_call.machine.state.name.lower(),
            "alarm": parts.theft_notice.machine.state.value,
            "tow": parts.tow.machine.state.value,
            "availability": parts.reachability.machine.state.value,
            "last_seq": parts.journal.last_seq,
            "acknowledged": parts.journal.acknowledged,
            "stream_id": parts.journal.stream_id.hex(),
            "challenges": len(parts.challenges),
            "outcomes": len(tuple(parts.outcomes)),
            "is_corrupt": parts.is_corrupt,
            "is_durable": parts.unsaved.is_empty,
        }

    def _begin(self, now: float, wall: float | None, random: bytes | None) -> Step:
        self._now = max(self._now, now)
        return Step(now=self._now, wall=wall, random=random)

    def _finish(self, step: Step) -> tuple[Effect, ...]:
        self._parts.unsaved.merge_into(step)
        self._last = step.finish()
        return self._last

    def _behind(self, failed: object) -> tuple[Effect, ...]:
        """Return the effects of the last call that a failure kept from being carried out."""
        places = [place for place, effect in enumerate(self._last) if effect is failed]
        return self._last[places[0] + 1 :] if places else ()

    def _advance(self, step: Step, changes: tuple[Change, ...]) -> None:
        parts = self._parts
        parts.watch.advance(step, changes)
        parts.button.advance(step, changes)
        parts.on_call.advance(step)
        parts.unlock.advance(step, changes)
        parts.relock.advance(step, changes)
        parts.position.advance(step)
        parts.theft_notice.advance(step, changes)
        parts.tow.advance(step, changes)
        parts.reports.advance(step)
        parts.reports.tell_changes(step, changes)
        parts.reachability.advance(step, changes)

    def _observed(self, step: Step, event: events.CoreEvent) -> tuple[Change, ...]:
        """Take over what the event says about the car and the link; return what changed in the car."""
        vehicle, reports = self._parts.vehicle, self._parts.reports
        match event:
            case events.SignalsChanged():
                return vehicle.apply(event.changes, now=step.now)
            case events.SignalsRefreshed():
                vehicle.refresh(event.paths, event.at, now=step.now)
            case events.BusFellAsleep():
                if vss.ON_CALL_BUTTON in vehicle.fall_asleep(event.paths):
                    self._parts.button.fall_asleep()
            case events.BusFaulted():
                reports.tell_bus(step, event)
            case events.SecurityObserved():
                reports.tell_security(step, event)
            case events.Connected():
                self._tell_presence(step, event.connection, Presence.ONLINE)
                self._parts.on_call.connected(step)
            case _:
                self._observed_sleep(step, event)
        return ()

    def _observed_sleep(self, step: Step, event: events.CoreEvent) -> None:
        """Take over what the event says about suspends of the board and wake-ups of the car."""
        if isinstance(event, events.SuspendBegan | events.Resumed):
            self._parts.challenges.clear(Reason.CHALLENGE_EXPIRED)
        if isinstance(event, events.Resumed | events.BusWokeUp):
            self._parts.reachability.stir(step)

    def _tell_presence(self, step: Step, connection: int, presence: Presence) -> None:
        step.do(
            SendMessage(
                Availability(
                    vehicle_id=self._parts.settings.vehicle_id,
                    boot_id=self._parts.boot_id,
                    connection=connection,
                    presence=presence,
                )
            )
        )
