"""From CAN frames to core events: decode, protection, debounce, staleness, sleep. Sans I/O; time comes with each call.

Theory of operation. A frame is unpacked by the plan of its identifier; what it says goes to `values`. All that one
frame changes comes as one event. A signal is *stale* (None) when its last good frame is longer ago than its timeout
**and the bus is alive**: a frame came in after the timeout. On a silent bus nothing gets stale, and the first frame
after the silence makes nothing stale that was good when it began; after `asleep_after_s` the whole bus is *asleep*,
which is one event. On a bus that never sleeps (no `asleep_after_s`), and in bus-off, signals get stale by timer. After
a stale time or a sleep the next value is reported as a change, whatever it is.

The caller hands over all waiting frames before it calls `handle_timer`: else a slow moment of its own looks like a
silent bus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from tcu_agent.adapters.can.counters import DecoderCounters, Tally
from tcu_agent.adapters.can.faults import LINK_DOWN, bus_state
from tcu_agent.adapters.can.lengths import message_in
from tcu_agent.adapters.can.life import BusLife
from tcu_agent.adapters.can.own_ids import OwnIds
from tcu_agent.adapters.can.plans import ANY_LENGTH, FrameKey, MessagePlan, compile_plans
from tcu_agent.adapters.can.values import SignalValues
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.core.events import (
    BusFellAsleep,
    CoreEvent,
    SecurityObserved,
    SignalChange,
    SignalsChanged,
    SignalsRefreshed,
)
from tcu_agent.ports import CanFrame

REFRESH_S = 0.1
"""At most one `SignalsRefreshed` for a message in this time (contract of the event)."""


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
        self._values = SignalValues(self._plans.values())
        self._life = BusLife(bus, asleep_after_s=self._bus.asleep_after_s, started_at=started_at)
        self._own = None if listen_only else OwnIds(mapping, bus)
        self._taps = dict(taps or {})
        self._tally = Tally()
        self._now = started_at
        self._plain: set[FrameKey] = set()
        """Seen before, and nothing to anybody: only counted."""

    def receive_all(self, frames: Iterable[CanFrame]) -> list[CoreEvent]:
        """Take frames, oldest first: as `receive` one by one, and quick where nobody wants most of them."""
        events: list[CoreEvent] = []
        plain, others = self._plain, self._tally.others
        passed, last = 0, self._now
        due_at, gap_s = self._passing_limits()
        for frame in frames:
            at = frame.timestamp_s if frame.timestamp_s > last else last  # noqa: FURB136 -- a call of max costs more than all the rest
            key = (frame.arbitration_id, frame.is_extended_id)
            if (
                key in plain
                and at < due_at
                and at - last < gap_s
                and not (frame.is_error_frame or frame.is_remote_frame)
            ):
                others[key] += 1
                passed += 1
                last = at
                continue
            self._pass(passed, last)
            events += self.receive(frame)
            passed, last = 0, self._now
            due_at, gap_s = self._passing_limits()
        self._pass(passed, last)
        return events

    def receive(self, frame: CanFrame) -> Sequence[CoreEvent]:
        """Take one frame, oldest first; return what it, and the time until it, brought."""
        if frame.is_late_echo:  # of ours: it says nothing about others, nor about the time
            return self._own.got_there_late(frame) if self._own else []
        self._tally.frames += 1
        if frame.is_error_frame:
            self._tally.error_frames += 1
            return self._life.told(bus_state(frame), frame.timestamp_s)
        at = self._now = max(frame.timestamp_s, self._now)
        events = self._let_time_pass(at, is_alive=True) if self._is_due(at) else []
        events += self._life.heard(at, frame.timestamp_s)
        if frame.is_remote_frame:
            self._tally.remote_frames += 1
            return events
        key = (frame.arbitration_id, frame.is_extended_id)
        if self._own is not None and key in self._own:
            events += self._own.observe(frame, at)
        if tap := self._taps.get(key):
            tap(frame)
        plan = self._plans.get(key)
        if plan is None:
            self._tally.other(key)
            if key in self._tally.others and not tap and not (self._own and key in self._own):
                self._plain.add(key)
            return events
        plan.frames += 1
        self._take(plan, frame, at, events)
        return events

    def handle_timer(self, now: float) -> Sequence[CoreEvent]:
        """Let time pass up to `now`."""
        self._now = max(now, self._now)
        return self._let_time_pass(self._now, is_alive=False)

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` should be called next, or None for "not before another frame"."""
        values, life = self._values, self._life
        stale_at = values.stale_at if life.goes_stale_by_timer else math.inf
        soonest = min(values.settles_at, stale_at, life.asleep_at)
        return None if math.isinf(soonest) else soonest

    def command_sent(self, counter: int, *, now: float) -> Sequence[CoreEvent]:
        """Wait for the response to command number `counter`; what was said about the one before it counts no more."""
        return _changed(self._values.expect_response(counter, now))

    def link_lost(self, *, now: float) -> Sequence[CoreEvent]:
        """The interface is gone: every signal is unknown, and the silence is no sleep."""
        self._now = max(now, self._now)
        return [*_changed(self._values.forget_all(self._now)), *self._life.faulted(LINK_DOWN)]

    def link_restored(self, *, now: float) -> Sequence[CoreEvent]:
        """Listen again after `link_lost`: from now on silence may be sleep."""
        self._now = max(now, self._now)
        return self._life.restored(self._now)

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
            own_id_frames=self._own.count if self._own else 0,
            mapped_frames=sum(plan.frames for plan in plans if plan.signals),
            ids_known=others_known + sum(plan.frames > 0 for plan in plans),
            ids_unknown=len(tally.others) - others_known,
            decode_errors={key: dict(causes) for key, causes in tally.decode_errors.items()},
            e2e_errors={name: dict(causes) for name, causes in tally.e2e_errors.items()},
            unmapped_values=dict(self._values.unmapped),
            suppressed={one.path: count for one in states if (count := one.debounce.suppressed)},
            late_frames=self._own.late if self._own else 0,
            never_seen=tuple(one.path for plan in plans if not plan.frames for one in plan.signals),
        )

    def _take(self, plan: MessagePlan, frame: CanFrame, at: float, events: list[CoreEvent]) -> None:
        data = frame.data
        if len(data) != plan.length != ANY_LENGTH:
            data = message_in(frame, plan.length) or data
        if plan.e2e is not None and (failure := plan.e2e.check(data, at)) is not None:
            self._tally.e2e_error(plan.message, failure)
            if plan.e2e.threshold_reached():
                events.append(
                    SecurityObserved(self.bus, "e2e-failed", plan.message, plan.e2e.failures)
                )
            return
        if len(data) != plan.length != ANY_LENGTH:
            cause = f"Wrong data size: {len(data)} instead of {plan.length} bytes"
            self._tally.decode_error(plan.key, cause)
            return
        if plan.quiet and data == plan.last_data:
            plan.last_quiet = at
        elif not self._unpack(plan, data, at, events):
            self._tally.decode_error(plan.key, plan.bad_cause)
            return
        if at - plan.refreshed_at >= REFRESH_S and plan.steady_paths:
            plan.refreshed_at = at
            events.append(SignalsRefreshed(plan.steady_paths, at))

    def _unpack(self, plan: MessagePlan, data: bytes, at: float, events: list[CoreEvent]) -> bool:
        """Return False when the frame does not decode (`plan.bad_cause` says why)."""
        if data == plan.bad_data:
            return False
        try:
            raws = plan.unpack(data)
        except Exception as error:  # noqa: BLE001 -- whatever a strange frame makes cantools raise is counted
            plan.bad_data, plan.bad_cause = data, _one_line(error)
            return False
        plan.last_data = data
        events += _changed(self._values.observe(plan, raws, at))
        return True

    def _passing_limits(self) -> tuple[float, float]:
        """Until when, and for what shortest silence, a frame without meaning changes nothing but a count."""
        if self._values.has_pending or not self._life.is_plain:
            return -math.inf, 0.0
        return self._values.stale_at, self._life.asleep_after_s

    def _pass(self, count: int, at: float) -> None:
        """Take note of `count` frames without meaning, the last of them at `at`."""
        if count:
            self._tally.frames += count
            self._now = at
            self._life.heard(at, at)

    def _is_due(self, at: float) -> bool:
        return self._values.has_pending or at >= self._values.stale_at or at >= self._life.asleep_at

    def _let_time_pass(self, now: float, *, is_alive: bool) -> list[CoreEvent]:
        """`is_alive`: a frame of another node came in at `now`."""
        asleep_at = self._life.asleep_at
        events = _changed(self._values.settle(min(now, asleep_at)))
        if now >= asleep_at:
            self._life.fell_asleep()
            self._values.forget_all(asleep_at)
            events.append(BusFellAsleep(self.bus, self._paths, asleep_at))
        elif now >= self._values.stale_at and (is_alive or self._life.goes_stale_by_timer):
            silent_since = self._life.heard_at if is_alive else None
            events += _changed(self._values.find_stale(now, silent_since=silent_since))
        return events


def _changed(changes: list[SignalChange]) -> list[CoreEvent]:
    return [SignalsChanged(tuple(changes))] if changes else []


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
