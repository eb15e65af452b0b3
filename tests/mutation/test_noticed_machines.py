"""Unlock and position machines: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.effects import TransmitUnlock
from tcu_agent.protocol.vocabulary import EventKind, Reason, Service
from tests.core.driver import Driver


@pytest.mark.parametrize(("after_s", "is_ours"), [(0.0, True), (30.0, True), (30.001, False)])
def test_for_30_seconds_after_a_frame_an_opening_lock_may_be_our_doing(
    car: Driver, after_s: float, is_ours: bool
) -> None:
    unlock = car.core._parts.unlock
    assert not unlock.is_ours(car.now)
    car.allow(Service.UNLOCK)
    (sent_at,) = [at for at, effect in car.done if isinstance(effect, TransmitUnlock)]
    assert unlock.is_ours(car.now + 1000), "still waiting for the locks"
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(1)
    assert unlock.is_acting is False
    assert unlock.is_ours(sent_at + after_s) is is_ours


def test_a_relock_that_worked_is_told_without_a_reason(car: Driver) -> None:
    car.allow(Service.UNLOCK)
    car.pass_time(0.2)
    car.locks(False)
    car.pass_time(car.settings.relock_after_s + 1)
    car.locks(True)
    car.pass_time(1)
    (event,) = car.events(EventKind.RELOCKED)
    assert event.reason is Reason.NONE
    assert event.values == {vss.RELOCKED_BY: "agent"}
