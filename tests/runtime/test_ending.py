"""The end of the agent cannot be missed, whatever is lost in the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tcu_agent.core.events import Connected
from tcu_agent.runtime.waiting import cancel_until_done
from tests.runtime.rig import Rig, play


def after_ticks(number: int, happen: Callable[[], None]) -> None:
    """Let something happen so many turns of the event loop from now."""
    if number:
        asyncio.get_running_loop().call_soon(after_ticks, number - 1, happen)
    else:
        happen()


@pytest.mark.parametrize("ticks", range(16))
@pytest.mark.parametrize("lost", ["link", "port", "both"])
def test_what_is_lost_in_the_very_moment_of_the_end_does_not_keep_the_agent(
    lost: str, ticks: int
) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)

        def lose() -> None:
            if lost != "port":
                rig.broker.is_reachable = False
                rig.broker.cut()
            if lost != "link":
                rig.port.refuses_open = True
                rig.port.lose()

        assert rig.agent is not None
        assert rig.task is not None
        rig.agent.stop()
        after_ticks(ticks, lose)
        await asyncio.wait({rig.task}, timeout=5)
        assert rig.task.done()
        assert rig.logbook.counts["stopped"] == 1

    play(body)


def test_a_task_that_misses_its_cancellation_is_cancelled_again() -> None:
    async def body(_: Rig) -> None:
        missed = 0

        async def deaf() -> None:
            nonlocal missed
            while missed < 3:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    missed += 1
            await asyncio.Event().wait()

        tasks = [asyncio.create_task(deaf()), asyncio.create_task(asyncio.Event().wait())]
        await asyncio.sleep(0)
        await cancel_until_done(tasks)
        assert missed == 3
        assert all(task.cancelled() for task in tasks)

    play(body)
