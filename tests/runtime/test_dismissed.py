"""A broker that takes us and then sends us away is a broker that refuses us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

from tcu_agent.errors import MqttTransportError
from tcu_agent.ports import Inbound
from tcu_agent.runtime.connection import REFUSED_LEAST_S, STABLE_S
from tests.runtime.rig import Rig, play
from tests.runtime.test_connection import attempts, connected


def test_a_broker_that_takes_us_and_then_sends_us_away_is_left_alone_for_minutes_too() -> None:
    async def body(rig: Rig) -> None:
        connect = rig.link.connect
        times: list[float] = []

        async def dismissed() -> AsyncIterator[Inbound]:
            for code in ("0x87",):
                raise MqttTransportError(code, may_have_happened=False, temporary=False)
            yield Inbound("", b"", False)

        async def noted(*, connection: int, will: bytes) -> bool:
            times.append(rig.clock.boottime())
            return await connect(connection=connection, will=will)

        rig.link.connect = noted  # type: ignore[method-assign]  # one link of one test
        rig.link.messages = dismissed  # type: ignore[method-assign]  # one link of one test
        rig.start()
        await rig.wait_s(24 * 3600 - 100)
        pauses = [b - a for a, b in pairwise(times)]
        assert min(pauses) >= REFUSED_LEAST_S
        assert max(pauses) > 2 * REFUSED_LEAST_S, "a connection of no time is none that has worked"
        assert rig.logbook.counts["link-refused"] >= len(pauses) > 40
        assert any("refuses us: 0x87" in line for line in rig.supervisor.said)

    play(body)


def test_a_broker_that_has_worked_again_is_asked_again_after_the_shortest_pause() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.refuses_authentication = True
        await attempts(rig, 6 * 3600)
        assert rig.agent is not None
        assert rig.agent._connection._refused.failures > 5
        rig.broker.refuses_authentication = False
        await connected(rig)
        await rig.wait_s(STABLE_S + 1)
        rig.link.lose()
        await connected(rig, number=2)
        assert rig.agent._connection._refused.failures == 0

    play(body)
