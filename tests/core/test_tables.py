"""The machines as data: each moves by its table alone, and an event without a row changes nothing at all."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from enum import Enum
from itertools import product

import pytest

from tcu_agent.core import tables
from tcu_agent.core.availability import states as availability_states
from tcu_agent.core.call import button
from tcu_agent.core.call import states as call_states
from tcu_agent.core.effects import SealPosition
from tcu_agent.core.machine import Machine
from tcu_agent.core.position import states as position_states
from tcu_agent.core.step import Step
from tcu_agent.core.theft import alarm_states, tow_states
from tcu_agent.core.unlock import relock_states
from tcu_agent.core.unlock import states as unlock_states
from tcu_agent.protocol.messages import Fix
from tcu_agent.protocol.vocabulary import (
    CallState,
    EventKind,
    FixQuality,
    Outcome,
    Reason,
    Service,
)
from tests.core.driver import Driver
from tests.runtime.rig import position_authorisation

ENUMS: Mapping[str, tuple[type[Enum], type[Enum]]] = {
    "unlock": (unlock_states.State, unlock_states.Trigger),
    "relock": (relock_states.State, relock_states.Trigger),
    "position": (position_states.State, position_states.Trigger),
    "button": (button.State, button.Trigger),
    "call": (CallState, call_states.Trigger),
    "alarm": (alarm_states.State, alarm_states.Trigger),
    "tow": (tow_states.State, tow_states.Trigger),
    "availability": (availability_states.State, availability_states.Trigger),
}


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_machine_moves_by_its_table_alone(name: str) -> None:
    table = tables.TABLES[name]
    states, triggers = ENUMS[name]
    for state, trigger in product(states, triggers):
        machine: Machine[Enum, Enum] = Machine(table, state)
        expected = table.get((state, trigger))
        assert machine.move(trigger) is (expected is not None)
        assert machine.state is (state if expected is None else expected)


FIRST_ONLY = {"button": {"UNHEARD"}}
"""States that a machine starts in and never comes back to."""


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_state_and_trigger_is_used_and_every_state_can_be_left(name: str) -> None:
    states, triggers = ENUMS[name]
    rows = tables.rows(name)
    assert {trigger for _, trigger, _ in rows} == {each.name for each in triggers}
    assert {state for state, _, _ in rows} == {each.name for each in states}
    assert {new for _, _, new in rows} | FIRST_ONLY.get(name, set()) == {
        each.name for each in states
    }


def test_rows_name_the_members() -> None:
    assert ("ARMED", "PLATE_PRESSED", "FIRING") in tables.rows("unlock")
    assert len(tables.rows("call")) == len(call_states.TABLE)


def _sealing() -> SealPosition:
    fix = Fix(quality=FixQuality.NONE)
    permission = position_authorisation()
    return SealPosition(permission, 1, fix, bytes(32), stream_id=bytes(8), not_after=1e9, puts={})


def _fresh_step() -> Step:
    return Step(now=2000.0, wall=None, random=bytes(16))


def _is_empty(step: Step) -> bool:
    return not step.has_writes and step.effects == []


def test_an_unlock_ends_by_its_table_alone(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    machine = car.core._parts.unlock
    for state, trigger in product(unlock_states.State, unlock_states.Trigger):
        if (state, trigger) in unlock_states.TABLE:
            continue
        machine.machine.state = state
        step = _fresh_step()
        machine._end(step, trigger, Outcome.EXECUTED, Reason.NONE)
        assert _is_empty(step)
        assert machine.machine.state is state
        assert machine.request_id is not None


def test_a_relock_ends_by_its_table_alone(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    machine = car.core._parts.relock
    assert machine.machine.state is relock_states.State.COUNTING
    for state, trigger in product(relock_states.State, relock_states.Trigger):
        if (state, trigger) in relock_states.TABLE:
            continue
        machine.machine.state = state
        step = _fresh_step()
        machine._end(step, trigger, EventKind.RELOCKED, Reason.NONE)
        assert _is_empty(step)
        assert machine.machine.state is state


def test_a_position_case_ends_by_its_table_alone(car: Driver) -> None:
    car.allow(Service.POSITION)
    machine = car.core._parts.position
    assert machine.request_id is not None
    for state, trigger in product(position_states.State, position_states.Trigger):
        if (state, trigger) in position_states.TABLE:
            continue
        machine.machine.state = state
        step = _fresh_step()
        machine._end(step, trigger, Outcome.EXECUTED, Reason.NONE)
        assert _is_empty(step)
        assert machine.machine.state is state


def test_a_call_moves_by_its_table_alone(car: Driver) -> None:
    car.change({"Vehicle.TCU.OnCall.IsButtonPressed": True})
    car.pass_time(0.2)
    machine = car.core._parts.on_call
    assert machine.open_call is not None
    for state, trigger in product(CallState, call_states.Trigger):
        if (state, trigger) in call_states.TABLE:
            continue
        machine.machine.state = state
        step = _fresh_step()
        assert not machine._move(step, trigger)
        assert _is_empty(step)
        assert machine.machine.state is state


def test_what_an_idle_machine_is_told_changes_nothing(car: Driver) -> None:
    parts = car.core._parts
    before = copy.deepcopy(car.core.snapshot())
    step = _fresh_step()
    parts.unlock.cancel(step)
    parts.unlock.intent_not_durable(step)
    parts.unlock.transmit_failed(step, Reason.TRANSMIT_FAILED, may_have_happened=True)
    parts.unlock.transmit_failed(step, Reason.TRANSMIT_FAILED, may_have_happened=False)
    parts.relock.not_durable(step)
    parts.relock.transmit_failed(step, Reason.TRANSMIT_FAILED, may_have_happened=False)
    parts.relock.transmit_failed(step, Reason.TRANSMIT_FAILED, may_have_happened=True)
    parts.position.not_durable(step)
    parts.position.not_sealed(_sealing(), is_too_late=False)
    parts.position.right_ended(step, Reason.SUBSCRIPTION_ENDED)
    parts.position.pin_changed(step)
    parts.on_call.long_press(step)
    assert _is_empty(step)
    assert car.core.snapshot() == before
