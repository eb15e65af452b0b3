"""The centre on simulated time: callers wait for days of a story that takes milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tcu_sim.bench.simulated_loop import run_simulated
from tcu_sim.wire.numbers import Presence
from tests.centre.test_theft_desk import agreed_case, draft
from tests.centre.town import CAR, MovableClock, Town

LIMIT_S = 30 * 24 * 3600.0


class LoopClock(MovableClock):
    """The wall clock goes with the loop."""

    def now_s(self) -> float:
        return self.at_s + asyncio.get_running_loop().time()


def simulate(root: Path, story: Callable[[Town], Coroutine[Any, Any, None]]) -> None:
    async def in_town() -> None:
        town = Town(root, clock=LoopClock())
        running = asyncio.create_task(town.centre.run(tick_s=60))
        try:
            await story(town)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            town.centre.close()

    run_simulated(in_town(), limit_s=LIMIT_S)


def test_who_waits_is_told_at_once(keys_root: Path) -> None:
    async def story(town: Town) -> None:
        loop = asyncio.get_running_loop()
        await town.operator.subscribe(CAR, address="home")
        state = await town.operator.account_state(CAR, timeout_s=30)
        assert state.learnt_version == state.version
        loop.call_later(20, lambda: asyncio.ensure_future(town.car.press_on_call()))
        [incident] = await town.operator.incidents(CAR, timeout_s=60)
        assert loop.time() == 20
        request_id = await town.operator.draft_unlock(CAR, incident.incident_id)
        assert await town.enter(request_id, town.pin("home")) == "right"
        await town.operator.send(request_id)
        assert (await town.operator.request(request_id, timeout_s=60)).state == "completed"
        assert loop.time() == 20

    simulate(keys_root, story)


def test_who_waits_for_nothing_is_told_in_the_end(keys_root: Path) -> None:
    async def story(town: Town) -> None:
        assert await town.operator.incidents(CAR, timeout_s=45) == []
        assert asyncio.get_running_loop().time() == 45
        await town.operator.subscribe(CAR, address="home")
        incident_id = await town.client.telephone().call_in(caller="0", vehicle_id=CAR)
        town.bus.loses = {"request"}
        request_id = await town.operator.draft_unlock(CAR, incident_id)
        await town.operator.send(request_id)
        seen = await town.operator.request_unlike(request_id, "waiting", timeout_s=60)
        assert seen.state == "timeout"
        assert 45 + 30 < asyncio.get_running_loop().time() <= 45 + 32

    simulate(keys_root, story)


def test_a_sleeping_stolen_car_is_traced_when_it_wakes_two_days_later(keys_root: Path) -> None:
    async def story(town: Town) -> None:
        await town.operator.subscribe(CAR, address="home")
        await town.operator.account_state(CAR, timeout_s=30)
        case_id = await agreed_case(town)
        request_id = await draft(town, case_id)
        assert await town.enter(request_id, town.pin("home")) == "right"
        town.bus.loses = {"request"}
        await town.car.come_online(Presence.ASLEEP)
        await town.operator.send(request_id)
        await asyncio.sleep(0)
        request = town.bus.last("request")
        await pass_days(2)
        assert (await town.operator.request(request_id)).state == "vehicle in sleep"
        await town.car.receive("request", request)
        assert (await town.operator.request(request_id, timeout_s=60)).state == "completed"
        assert town.car.grants[-1].approval is not None

    simulate(keys_root, story)


async def pass_days(days: float) -> None:
    """Let simulated time pass."""
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()
    loop.call_later(days * 86_400, passed.set)
    await passed.wait()
