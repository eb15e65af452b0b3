"""Whoever can publish makes the car refuse; the log gets one line at once and then one a minute."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tcu_agent.core.effects import Note
from tcu_agent.core.events import Connected, MessageArrived
from tcu_agent.runtime.logbook import FIELDS
from tcu_agent.runtime.noise import SUM_S
from tests.runtime.rig import VEHICLE_ID, Rig, play


def lines(caplog: pytest.LogCaptureFixture, word: str) -> list[dict[str, Any]]:
    return [getattr(each, FIELDS) for each in caplog.records if each.getMessage() == word]


def test_what_the_bus_can_cause_at_will_is_counted_by_its_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        for kind in ("security", "bus-state", "security"):
            for _ in range(3):
                rig.core.on(MessageArrived, Note("event-dropped", {"kind": kind}))
                rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")
        await rig.core.wait_for(MessageArrived, number=9)
        await rig.wait_s(1)
        assert lines(caplog, "event-dropped") == [{"kind": "security"}, {"kind": "bus-state"}]
        await rig.wait_s(SUM_S)
        assert lines(caplog, "event-dropped-repeatedly") == [
            {"reason": "security", "more": 5},
            {"reason": "bus-state", "more": 2},
        ]

    with caplog.at_level(logging.INFO, logger="tcu_agent"):
        play(body)


async def refused(rig: Rig, reason: str, times: int) -> None:
    before = len(rig.core.of(MessageArrived))
    for number in range(times):
        rig.core.on(MessageArrived, Note("refused", {"reason": reason, "detail": str(number)}))
        rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")
    await rig.core.wait_for(MessageArrived, number=before + times)


def test_the_first_is_told_at_once_and_the_rest_as_a_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        await refused(rig, "malformed", 100)
        await refused(rig, "retained", 1)
        await rig.wait_s(1)
        assert lines(caplog, "refused") == [
            {"reason": "malformed", "detail": "0"},
            {"reason": "retained", "detail": "0"},
        ]
        await rig.wait_s(SUM_S)
        sums = [{"reason": "malformed", "more": 99}]
        assert lines(caplog, "refused-repeatedly") == sums
        await refused(rig, "malformed", 3)
        await rig.wait_s(SUM_S + 1)
        sums.append({"reason": "malformed", "more": 3})
        assert lines(caplog, "refused-repeatedly") == sums
        assert len(lines(caplog, "refused")) == 2
        await rig.wait_s(SUM_S + 1)
        await refused(rig, "malformed", 1)
        await rig.wait_s(1)
        assert len(lines(caplog, "refused")) == 3, "after a quiet minute: at once again"

    with caplog.at_level(logging.INFO, logger="tcu_agent"):
        play(body)


def test_what_nobody_can_provoke_is_told_each_time(caplog: pytest.LogCaptureFixture) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        for _ in range(3):
            rig.core.on(MessageArrived, Note("towed", {"reason": "x"}))
            rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")
        await rig.core.wait_for(MessageArrived, number=3)
        await rig.wait_s(1)
        assert len(lines(caplog, "towed")) == 3

    with caplog.at_level(logging.INFO, logger="tcu_agent"):
        play(body)
