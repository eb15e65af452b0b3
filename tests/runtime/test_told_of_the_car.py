"""What the agent's log says of a request, a re-lock and the button, and how loud."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from tcu_agent.core.effects import Persist, WakeBus
from tcu_agent.core.events import Connected, MessageArrived
from tcu_agent.protocol.vocabulary import EventKind, Reason
from tcu_agent.runtime.logbook import FIELDS
from tests.runtime.rig import VEHICLE_ID, Rig, event, play

RELOCK_FAILED = replace(event(1), kind=EventKind.RELOCK_FAILED, reason=Reason.NO_STATUS)
PRESSED = replace(event(2), kind=EventKind.ON_CALL_PRESSED)


def test_a_failed_relock_is_a_warning_with_its_reason_and_a_press_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, Persist(append=(RELOCK_FAILED, PRESSED)))
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")
        await rig.core.wait_for(MessageArrived)
        await rig.wait_s(0.1)

    caplog.set_level(logging.INFO, "tcu_agent")
    play(body)
    said = {
        each.message: (each.levelno, getattr(each, FIELDS))
        for each in caplog.records
        if each.message in {"relock-failed", "on-call-pressed"}
    }
    assert said == {
        "relock-failed": (logging.WARNING, {"reason": "no-status"}),
        "on-call-pressed": (logging.INFO, {}),
    }


@pytest.mark.parametrize("was_open", [False, True])
def test_a_wake_up_before_the_bus_is_open_for_the_first_time_is_no_warning(
    caplog: pytest.LogCaptureFixture, was_open: bool
) -> None:
    async def body(rig: Rig) -> None:
        rig.port.refuses_open = not was_open
        rig.core.on(Connected, WakeBus("unlock"))
        if was_open:
            rig.port.failing_sends = 1
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(0.1)

    caplog.set_level(logging.INFO, "tcu_agent")
    play(body)
    levels = [each.levelno for each in caplog.records if each.message == "wake-not-sent"]
    assert levels == [logging.WARNING if was_open else logging.INFO]
