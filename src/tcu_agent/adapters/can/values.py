"""The signals of one bus: what each frame says about them, what waits for its debounce, what is too old.

Each signal is debounced on its own. It is *good* when a whole frame said something about it, and *stale* when that is
longer ago than its timeout; who asks for stale ones decides whether the silence counts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from tcu_agent.adapters.can.debounce import UNSET
from tcu_agent.adapters.can.plans import (
    TRANSITIONAL,
    UNMAPPED,
    MessagePlan,
    Raw,
    SignalState,
    value_of,
)
from tcu_agent.core.events import SignalChange


class SignalValues:
    """Values of all mapped signals of one bus. Times are CLOCK_BOOTTIME in seconds."""

    def __init__(self, plans: Collection[MessagePlan]) -> None:
        self._plans = plans
        self._echoes = [
            (plan, state)
            for plan in plans
            for state in plan.signals
            if state.mapping.echo is not None
        ]
        """The responses to commands."""
        self._pending: dict[SignalState, MessagePlan] = {}
        self._expected_echo: int | None = None
        self.stale_at = math.inf
        """When the first signal may be stale; looked at again then."""
        self.unmapped: dict[str, int] = {}
        """Raw values that the mapping does not have, by path."""

    @property
    def has_pending(self) -> bool:
        """Whether a value waits for its debounce."""
        return bool(self._pending)

    @property
    def settles_at(self) -> float:
        """When the first waiting value will be accepted."""
        return min((state.debounce.deadline for state in self._pending), default=math.inf)

    def observe(self, plan: MessagePlan, raws: Mapping[str, Raw], at: float) -> list[SignalChange]:
        """Take what one frame says; return what it changes."""
        if (
            plan.quiet
        ):  # what the repeated payload refreshed, before this one may say nothing about some of it
            for state in plan.signals:
                state.last_good = plan.last_quiet
        changes: list[SignalChange] = []
        steady: list[str] = []
        quiet = True
        for state in plan.signals:
            converted = self._convert(state, raws)
            if converted is UNMAPPED:
                self.unmapped[state.path] = self.unmapped.get(state.path, 0) + 1
            if converted is TRANSITIONAL or converted is UNMAPPED:
                quiet = False
            if converted is TRANSITIONAL:
                continue
            self._sight(plan, state, converted, at, changes)
            if state.debounce.pending:
                quiet = False
            elif state.debounce.accepted is not None:
                steady.append(state.path)
        plan.quiet, plan.last_quiet, plan.steady_paths = quiet, at, tuple(steady)
        return changes

    def settle(self, now: float) -> list[SignalChange]:
        """Accept what has waited for long enough."""
        changes = []
        for state, plan in list(self._pending.items()):
            waiting = state.debounce.candidate
            if state.debounce.settle(now):
                del self._pending[state]
                plan.last_data = None
                changes.append(SignalChange(state.path, value_of(waiting), state.debounce.since))
        return changes

    def find_stale(self, now: float, *, silent_since: float | None = None) -> list[SignalChange]:
        """Make unknown what is too old at `now`.

        `silent_since`: until `now` no node at all was heard since then. What was good when that silence began has been
        asleep with all others, and gets its timeout once more: else a press of ON CALL that wakes the bus would meet a
        button that had just been lost.
        """
        changes = []
        self.stale_at = math.inf
        for plan in self._plans:
            for state in plan.signals:
                good = max(state.last_good, plan.last_quiet) if plan.quiet else state.last_good
                too_old_at = max(good, state.spared_at) + state.timeout_s
                if math.isinf(good):
                    continue
                if now >= too_old_at and _slept(state, good, silent_since, now):
                    state.spared_at, too_old_at = now, now + state.timeout_s
                if now < too_old_at:
                    self.stale_at = min(self.stale_at, too_old_at)
                elif self._forget(plan, state):
                    changes.append(SignalChange(state.path, None, too_old_at))
        return changes

    def forget_all(self, now: float) -> list[SignalChange]:
        """Make everything unknown."""
        self.stale_at = math.inf
        return [
            SignalChange(state.path, None, now)
            for plan in self._plans
            for state in plan.signals
            if self._forget(plan, state)
        ]

    def expect_response(self, counter: int, now: float) -> list[SignalChange]:
        """Let responses to command number `counter` count, and no others."""
        self._expected_echo = counter
        changes = []
        for plan, state in self._echoes:
            plan.last_data = None
            self._pending.pop(state, None)
            before, debounce = state.mapping.before, state.debounce
            debounce.candidate = UNSET
            if debounce.accepted is not UNSET and debounce.accepted != before:
                debounce.accepted = before
                changes.append(SignalChange(state.path, before, now))
        return changes

    def _sight(
        self,
        plan: MessagePlan,
        state: SignalState,
        converted: object,
        at: float,
        changes: list[SignalChange],
    ) -> None:
        state.last_good = at
        self.stale_at = min(self.stale_at, at + state.timeout_s)
        value = value_of(converted)
        if state.debounce.observe(value, at):
            changes.append(SignalChange(state.path, value, state.debounce.since))
        if state.debounce.pending:
            self._pending[state] = plan
        else:
            self._pending.pop(state, None)

    def _convert(self, state: SignalState, raws: Mapping[str, Raw]) -> object:
        if (echo := state.mapping.echo) is not None and raws.get(echo) != self._expected_echo:
            return state.mapping.before
        raw = raws.get(state.name)  # a multiplexed signal is not in every frame
        return TRANSITIONAL if raw is None else state.convert(raw)

    def _forget(self, plan: MessagePlan, state: SignalState) -> bool:
        plan.last_data, plan.quiet, plan.steady_paths = None, False, ()
        self._pending.pop(state, None)
        state.last_good = -math.inf
        return state.debounce.forget()


def _slept(state: SignalState, good: float, silent_since: float | None, now: float) -> bool:
    """Whether a signal that was good at `good` is too old only because nobody spoke; spared once until it is seen."""
    if silent_since is None or good <= state.spared_at:
        return False
    # With a timeout of two cycles or more, a shorter silence makes nothing too old that still comes.
    return now - silent_since >= state.timeout_s / 2
