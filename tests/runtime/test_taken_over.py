"""Two agents with one MQTT client id: told once, with what to do, and not tried again every second."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from tcu_agent.core.events import Connected
from tcu_agent.errors import SESSION_TAKEN_OVER, ConnectionEndedError, MqttTransportError
from tcu_agent.ports import Inbound
from tcu_agent.runtime.connection import STABLE_S
from tcu_agent.runtime.logbook import FIELDS
from tcu_agent.runtime.takeovers import HASTY_S, PEACE_S, SUSPECTED_AFTER
from tests.runtime.rig import Rig, play

TOLD, SUSPECTED = "session-taken-over", "session-perhaps-taken-over"
TROUBLE = "uses our MQTT client id"


class Rival:
    """Ends each connection of the agent `after_s`; nothing else happens on it."""

    def __init__(self, rig: Rig, *, code: int | None, after_s: float) -> None:
        self.rig, self.code, self.after_s = rig, code, after_s
        self.connected_at: list[float] = []
        self.is_silent_death = False
        self._connect = rig.link.connect
        rig.link.connect = self.connect  # type: ignore[method-assign]  # one link of one test
        rig.link.messages = self.messages  # type: ignore[method-assign]  # one link of one test

    async def connect(self, *, connection: int, will: bytes) -> bool:
        self.connected_at.append(self.rig.clock.boottime())
        return await self._connect(connection=connection, will=will)

    async def messages(self) -> AsyncIterator[Inbound]:
        await self.rig.wait_s(self.after_s)
        for end in (self.end(),):
            raise end
        yield Inbound("", b"", False)

    def end(self) -> MqttTransportError:
        if self.is_silent_death:
            return MqttTransportError("no answer", may_have_happened=False, temporary=True)
        return ConnectionEndedError(
            "gone", may_have_happened=False, temporary=True, reason_code=self.code
        )

    async def connections(self, count: int) -> None:
        await self.rig.core.wait_for(Connected, number=len(self.connected_at) + count)


def shows(rig: Rig) -> bool:
    return TROUBLE in rig.supervisor.said[-1]


def test_a_broker_that_says_so_is_told_once_with_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(rig: Rig) -> None:
        rival = Rival(rig, code=SESSION_TAKEN_OVER, after_s=1)
        rig.start()
        await rival.connections(4)
        assert rig.logbook.counts[TOLD] == 1
        assert rig.logbook.counts["link-lost"] == 3
        assert shows(rig)

    with caplog.at_level(logging.WARNING, logger="tcu_agent"):
        play(body)
    (record,) = (each for each in caplog.records if each.getMessage() == TOLD)
    fields: dict[str, Any] = getattr(record, FIELDS)
    assert "[mqtt] client_id" in fields["advice"]
    assert record.levelno == logging.ERROR


def test_the_pauses_grow_though_each_connection_holds_for_a_while() -> None:
    """Two agents that come back at once would go on for ever, each some seconds at a time."""

    async def body(rig: Rig) -> None:
        rival = Rival(rig, code=SESSION_TAKEN_OVER, after_s=STABLE_S + 1)
        rig.start()
        await rival.connections(40)
        pauses = [b - a - rival.after_s for a, b in pairwise(rival.connected_at)]
        assert max(pauses[:2]) < 5
        assert sum(pauses[-20:]) / 20 > STABLE_S

    play(body)


def test_a_broker_that_says_nothing_is_suspected_after_some_times() -> None:
    async def body(rig: Rig) -> None:
        rival = Rival(rig, code=None, after_s=HASTY_S - 1)
        rig.start()
        await rival.connections(SUSPECTED_AFTER)
        assert rig.logbook.counts[SUSPECTED] == 0
        assert not shows(rig)
        await rival.connections(3)
        assert rig.logbook.counts[SUSPECTED] == 1
        assert rig.logbook.counts[TOLD] == 0
        assert shows(rig)

    play(body)


@pytest.mark.parametrize("by", ["a connection that holds", "a link that dies"])
def test_what_ends_otherwise_is_not_counted(by: str) -> None:
    async def body(rig: Rig) -> None:
        rival = Rival(rig, code=None, after_s=1)
        rig.start()
        for _ in range(3):
            await rival.connections(SUSPECTED_AFTER - 1)
            rival.after_s = HASTY_S + 1 if by == "a connection that holds" else 1
            rival.is_silent_death = by == "a link that dies"
            await rival.connections(1)
            rival.after_s, rival.is_silent_death = 1, False
        assert rig.logbook.counts["link-lost"] > 2 * SUSPECTED_AFTER
        assert rig.logbook.counts[SUSPECTED] == 0

    play(body)


def test_another_reason_of_the_broker_is_no_takeover() -> None:
    async def body(rig: Rig) -> None:
        rival = Rival(rig, code=0x8B, after_s=1)
        rig.start()
        await rival.connections(2 * SUSPECTED_AFTER)
        assert rig.logbook.counts[TOLD] == rig.logbook.counts[SUSPECTED] == 0

    play(body)


def test_a_connection_that_is_left_in_peace_ends_the_trouble_and_the_next_one_is_told_again() -> (
    None
):
    async def body(rig: Rig) -> None:
        rival = Rival(rig, code=SESSION_TAKEN_OVER, after_s=1)
        rig.start()
        await rival.connections(2)
        rival.after_s = PEACE_S + 10
        await rival.connections(1)
        assert shows(rig)
        await rig.wait_s(PEACE_S + 5)
        assert not shows(rig)
        rival.after_s = 1
        await rival.connections(2)
        assert rig.logbook.counts[TOLD] == 2

    play(body)
