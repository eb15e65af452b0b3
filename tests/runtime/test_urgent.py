"""Whoever presses ON CALL does not wait for the pause between two attempts to reach the broker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcu_agent.core.effects import Persist
from tcu_agent.core.events import MessageArrived
from tcu_agent.protocol.vocabulary import EventKind
from tcu_agent.runtime.connection import REFUSED_LEAST_S
from tests.runtime.rig import Rig, event, play
from tests.runtime.test_connection import attempts, connected


def press(rig: Rig) -> None:
    """Let the core store a press of ON CALL now."""
    assert rig.agent is not None
    pressed = replace(event(1), kind=EventKind.ON_CALL_PRESSED)
    rig.agent._pump._core.on(MessageArrived, Persist(append=(pressed,)))  # type: ignore[attr-defined]  # a ScriptedCore
    rig.agent._pump.push([MessageArrived("request", b"", False, bytes(16))])


@pytest.mark.parametrize("what", ["unreachable", "refused"])
def test_who_presses_on_call_does_not_wait_for_the_pause_to_end(what: str) -> None:
    async def body(rig: Rig) -> None:
        rig.broker.is_reachable = what != "unreachable"
        rig.broker.refuses_authentication = what == "refused"
        times = await attempts(rig, 1800)
        rig.broker.is_reachable, rig.broker.refuses_authentication = True, False
        before, count = rig.clock.boottime(), len(times)
        press(rig)
        await connected(rig)
        assert len(times) == count + 1
        assert times[-1] == before

    play(body)


def test_each_press_ends_one_pause_and_no_more() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.refuses_authentication = True
        times = await attempts(rig, 600)
        count = len(times)
        press(rig)
        await rig.wait_s(REFUSED_LEAST_S - 1)
        assert len(times) == count + 1

    play(body)


def test_after_a_press_the_pauses_are_short_again() -> None:
    """The attempt that the press brought forward may meet the same dead spot: the next one must not be minutes away."""

    async def body(rig: Rig) -> None:
        rig.broker.is_reachable = False
        times = await attempts(rig, 3600)
        count = len(times)
        press(rig)
        await rig.wait_s(20)
        assert len(times) - count >= 4

    play(body)
