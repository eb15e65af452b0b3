"""From CAN frames to core events: decode, protection, debounce, staleness, sleep. Sans I/O; time comes with each call.

Theory of operation. A frame is unpacked by the plan of its identifier. Each signal in it is debounced on its
own; all that one frame changes comes as one event. A signal is *good* when a whole, checked frame said something
about it; it is *stale* (None) when that is longer ago than its timeout **and the bus is alive**: a frame came in
after the timeout. On a silent bus nothing gets stale; after `asleep_after_s` the whole bus is *asleep*, which is
one event. On a bus that never sleeps (no `asleep_after_s`), and in bus-off, signals get stale by timer. After a
stale time or a sleep the next value is reported as a change, whatever it is.

The caller hands over all waiting frames before it calls `handle_timer`: else a slow moment of its own looks like
a silent bus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tcu_agent.adapters.can_counters import DecoderCounters, Tally
from tcu_agent.adapters.can_faults import BUS_OFF, ERROR_ACTIVE, LINK_DOWN, bus_state
from tcu_agent.adapters.can_plans import (
    TRANSITIONAL,
    UNMAPPED,
    FrameKey,
    MessagePlan,
    SignalState,
    compile_plans,
    value_of,
)
from tcu_agent.adapters.debounce import UNSET
from tcu_agent.adapters.mapping import VehicleMapping
from tcu_agent.core.events import (
    BusFaulted,
    BusFellAsleep,
    BusWokeUp,
    CoreEvent,
    SecurityObserved,
    SignalChange,
    SignalsChanged,
    SignalsRefreshed,
    Value,
)
from tcu_agent.ports import CanFrame

REFRESH_S = 0.1
"""At most one `SignalsRefreshed` for a message in this time (contract of the event)."""
_DISCONNECTED = frozenset({BUS_OFF, LINK_DOWN})
"""States in which silence is no sleep."""
_OWN_ID_AGAIN_S = 60.0
"""A node that goes on using our identifier is reported once a minute, not for each frame."""


class SignalDecoder:
    """Decodes one bus. Not thread-safe. Never raises on what comes from the bus."""

    def __init__(
        self,
        mapping: VehicleMapping,
        bus: str,
        *,
        started_at: float,
        audit: bool = False,
        listen_only: bool = False,
        taps: Mapping[FrameKey, Callable[[CanFrame], None]] | None = None,
    ) -> None:
        """`audit`: also try to decode what is not mapped, to count its errors. `taps`: called with frames of an id.

        `listen_only`: we transmit nothing (a recording), so our own identifiers are nothing special.
        """
        self.bus = bus
        self._bus = mapping.buses[bus]
        self._paths = mapping.paths(bus)
        self._plans = compile_plans(mapping, self._bus, audit=audit)
        self._taps = dict(taps or {})
        self._own = {} if listen_only else self._own_ids(mapping)
        self._tally = Tally()
        self._asleep_after_s = self._bus.asleep_after_s or math.inf
        self._now = self._last_rx = started_at
        self._asleep = False
        self._state = ERROR_ACTIVE
        self._stale_at = math.inf
        self._pending: dict[SignalState, MessagePlan] = {}
        self._expected_echo: int | None = None
        self._own_reported_at: dict[str, float] = {}

    # ------------------------------------------------------------------ in

    def receive(self, frame: CanFrame) -> Sequence[CoreEvent]:
        """Take one frame, oldest first; return what it, and the time until it, brought."""
        self._tally.frames += 1
        if frame.is_error_frame:
            self._tally.error_frames += 1
            return self._fault(bus_state(frame))
        at = self._now = max(frame.timestamp_s, self._now)
        events = self._let_time_pass(at, alive=True) if self._is_due(at) else []
        self._last_rx = at
        if self._asleep or self._state in _DISCONNECTED:
            events += self._alive_again(at)
        if frame.is_remote_frame:
            self._tally.remote_frames += 1
            return events
        key = (frame.arbitration_id, frame.is_extended_id)
        if key in self._own:
            events += self._own_id(self._own[key], at)
        if tap := self._taps.get(key):
            tap(frame)
        plan = self._plans.get(key)
        if plan is None:
            self._tally.other(key)
            return events
        plan.frames += 1
        return self._take(plan, frame.data, at, events)

    def handle_timer(self, now: float) -> Sequence[CoreEvent]:
        """Let time pass up to `now`."""
        self._now = max(now, self._now)
        return self._let_time_pass(self._now, alive=False)

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` should be called next, or None for "not before another frame"."""
        deadlines = [state.debounce.deadline for state in self._pending]
        if not self._asleep:
            deadlines.append(self._stale_at if self._goes_stale_by_timer() else self._asleep_at())
        soonest = min(deadlines, default=math.inf)
        return None if math.isinf(soonest) else soonest

    def command_sent(self, counter: int, *, now: float) -> Sequence[CoreEvent]:
        """Wait for the response to command number `counter`; what was said about the one before it counts no more."""
        self._expected_echo = counter
        changes = []
        for plan, state in self._echoing():
            plan.last_data = None
            self._pending.pop(state, None)
            if (
                state.debounce.accepted is not UNSET
                and state.debounce.accepted != state.mapping.before
            ):
                state.debounce.accepted = state.mapping.before
                changes.append(SignalChange(state.path, state.mapping.before, now))
            state.debounce.candidate = UNSET
        return (SignalsChanged(tuple(changes)),) if changes else ()

    def link_lost(self, *, now: float) -> Sequence[CoreEvent]:
        """The interface is gone: every signal is unknown, and the silence is no sleep."""
        self._now = max(now, self._now)
        events = self._fault(LINK_DOWN)
        return [*self._all_unknown(self._now), *events]

    def link_restored(self, *, now: float) -> Sequence[CoreEvent]:
        """Listen again after `link_lost`: from now on silence may be sleep."""
        if self._state != LINK_DOWN:
            return ()
        self._now = self._last_rx = max(now, self._now)
        self._asleep = False
        return self._fault(ERROR_ACTIVE)

    def counters(self) -> DecoderCounters:
        """Return what was counted so far."""
        known = {(one.frame_id, one.is_extended_frame) for one in self._bus.database.messages}
        tally, plans = self._tally, self._plans.values()
        others_known = sum(key in known for key in tally.others)
        states = [state for plan in plans for state in plan.signals]
        return DecoderCounters(
            frames=tally.frames,
            error_frames=tally.error_frames,
            remote_frames=tally.remote_frames,
            own_id_frames=tally.own_id_frames,
            mapped_frames=sum(plan.frames for plan in plans if plan.signals),
            ids_known=others_known + sum(plan.frames > 0 for plan in plans),
            ids_unknown=len(tally.others) - others_known,
            decode_errors={key: dict(causes) for key, causes in tally.decode_errors.items()},
            e2e_errors={name: dict(causes) for name, causes in tally.e2e_errors.items()},
            unmapped_values=dict(tally.unmapped_values),
            suppressed={
                state.path: state.debounce.suppressed
                for state in states
                if state.debounce.suppressed
            },
            never_seen=tuple(
                state.path for plan in plans if not plan.frames for state in plan.signals
            ),
        )

    # ------------------------------------------------------------------ one frame

    def _take(
        self, plan: MessagePlan, data: bytes, at: float, events: list[CoreEvent]
    ) -> list[CoreEvent]:
        if plan.e2e is not None and (failure := plan.e2e.check(data, at)) is not None:
            self._tally.e2e_error(plan.message, failure)
            if plan.e2e.threshold_reached():
                events.append(
                    SecurityObserved(self.bus, "e2e-failed", plan.message, plan.e2e.failures)
                )
            return events
        if plan.quiet and data == plan.last_data:
            plan.last_quiet = at
        elif data == plan.bad_data:
            self._tally.decode_error(plan.key, plan.bad_cause)
            return events
        else:
            try:
                raws = plan.unpack(data)
            except Exception as error:  # noqa: BLE001 -- whatever a strange frame makes cantools raise is counted
                plan.bad_data, plan.bad_cause = data, _one_line(error)
                self._tally.decode_error(plan.key, plan.bad_cause)
                return events
            changes = self._observe(plan, raws, at)
            plan.last_data = data
            if changes:
                events.append(SignalsChanged(tuple(changes)))
        if at - plan.refreshed_at >= REFRESH_S and plan.steady_paths:
            plan.refreshed_at = at
            events.append(SignalsRefreshed(plan.steady_paths, at))
        return events

    def _observe(
        self, plan: MessagePlan, raws: Mapping[str, int | float], at: float
    ) -> list[SignalChange]:
        changes, steady, quiet = [], [], True
        if (
            plan.quiet
        ):  # what the repeated payload refreshed, before this one may say nothing about some of it
            for state in plan.signals:
                state.last_good = plan.last_quiet
        for state in plan.signals:
            converted = self._convert(state, raws)
            if converted is TRANSITIONAL:
                quiet = False
                continue
            if converted is UNMAPPED:
                self._tally.unmapped_values[state.path] += 1
                quiet = False
            state.last_good = at
            self._stale_at = min(self._stale_at, at + state.timeout_s)
            debounce = state.debounce
            if debounce.observe(value_of(converted), at):
                changes.append(SignalChange(state.path, value_of(converted), debounce.since))
            if debounce.pending:
                self._pending[state] = plan
                quiet = False
                continue
            self._pending.pop(state, None)
            if debounce.accepted is not None:
                steady.append(state.path)
        plan.quiet, plan.last_quiet, plan.steady_paths = quiet, at, tuple(steady)
        return changes

    def _convert(self, state: SignalState, raws: Mapping[str, int | float]) -> object:
        if (echo := state.mapping.echo) is not None and raws.get(echo) != self._expected_echo:
            return state.mapping.before
        raw = raws.get(state.name)  # a multiplexed signal is not in every frame
        return TRANSITIONAL if raw is None else state.convert(raw)

    # ------------------------------------------------------------------ time

    def _is_due(self, at: float) -> bool:
        return (
            bool(self._pending)
            or at >= self._stale_at
            or at - self._last_rx >= self._asleep_after_s
        )

    def _let_time_pass(self, now: float, *, alive: bool) -> list[CoreEvent]:
        asleep_at = self._asleep_at()
        events = self._settle(min(now, asleep_at))
        if now >= asleep_at:
            self._asleep = True
            self._forget_all()
            events.append(BusFellAsleep(self.bus, self._paths, asleep_at))
        elif now >= self._stale_at and (alive or self._goes_stale_by_timer()):
            events += self._find_stale(now)
        return events

    def _asleep_at(self) -> float:
        if self._asleep or self._state in _DISCONNECTED:
            return math.inf
        return self._last_rx + self._asleep_after_s

    def _goes_stale_by_timer(self) -> bool:
        return math.isinf(self._asleep_after_s) or self._state in _DISCONNECTED

    def _settle(self, now: float) -> list[CoreEvent]:
        changes = []
        for state, plan in list(self._pending.items()):
            debounce = state.debounce
            if debounce.settle(now):
                del self._pending[state]
                plan.last_data = None
                changes.append(SignalChange(state.path, _accepted(state), debounce.since))
        return [SignalsChanged(tuple(changes))] if changes else []

    def _find_stale(self, now: float) -> list[CoreEvent]:
        changes = []
        self._stale_at = math.inf
        for plan in self._plans.values():
            for state in plan.signals:
                good = max(state.last_good, plan.last_quiet) if plan.quiet else state.last_good
                if math.isinf(good):
                    continue
                if now < good + state.timeout_s:
                    self._stale_at = min(self._stale_at, good + state.timeout_s)
                    continue
                if self._forget(plan, state):
                    changes.append(SignalChange(state.path, None, good + state.timeout_s))
        return [SignalsChanged(tuple(changes))] if changes else []

    def _forget(self, plan: MessagePlan, state: SignalState) -> bool:
        plan.last_data, plan.quiet, plan.steady_paths = None, False, ()
        self._pending.pop(state, None)
        state.last_good = -math.inf
        return state.debounce.forget()

    def _forget_all(self) -> list[str]:
        self._stale_at = math.inf
        forgotten = []
        for plan in self._plans.values():
            forgotten += [state.path for state in plan.signals if self._forget(plan, state)]
        return forgotten

    # ------------------------------------------------------------------ the bus as a whole

    def _alive_again(self, at: float) -> list[CoreEvent]:
        events = self._fault(ERROR_ACTIVE)
        if self._asleep:
            self._asleep = False
            events.append(BusWokeUp(self.bus, at))
        return events

    def _fault(self, state: str | None) -> list[CoreEvent]:
        if state is None or state == self._state:
            return []
        self._state = state
        return [BusFaulted(self.bus, state)]

    def _all_unknown(self, now: float) -> list[CoreEvent]:
        changes = tuple(SignalChange(path, None, now) for path in self._forget_all())
        return [SignalsChanged(changes)] if changes else []

    def _own_ids(self, mapping: VehicleMapping) -> dict[FrameKey, str]:
        messages = [self._bus.message(name) for name in mapping.transmitted(self.bus)]
        return {(one.frame_id, one.is_extended_frame): one.name for one in messages}

    def _own_id(self, message: str, at: float) -> list[CoreEvent]:
        self._tally.own_id_frames += 1
        if at - self._own_reported_at.get(message, -math.inf) < _OWN_ID_AGAIN_S:
            return []
        self._own_reported_at[message] = at
        return [
            SecurityObserved(self.bus, "own-id-from-other-node", message, self._tally.own_id_frames)
        ]

    def _echoing(self) -> list[tuple[MessagePlan, SignalState]]:
        return [
            (plan, state)
            for plan in self._plans.values()
            for state in plan.signals
            if state.mapping.echo
        ]


def _accepted(state: SignalState) -> Value:
    accepted = state.debounce.accepted
    return None if accepted is UNSET else accepted  # type: ignore[return-value]  # UNSET is excluded


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
