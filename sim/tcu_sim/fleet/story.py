"""What a fleet does: connect, learn its accounts, come back after a broker's death, unlock, press ON CALL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tcu_sim.centre.errors import Denied, ServiceUnreachable
from tcu_sim.fleet.measures import Phase, each, phase
from tcu_sim.fleet.town import Town

TIMEOUT_S = 300.0
"""For each phase of the largest fleet; who is not done by then is counted as left behind."""
LEARN_TIMEOUT_S = 120.0
RESULT_TIMEOUT_S = 60.0
PRESS_AGAIN_S = 30.0
"""How long somebody waits for a call before pressing again."""
_LOOK_EACH_S = 0.25
"""How finely the arrival of calls is timed."""
_FAILURES = (Denied, ServiceUnreachable)

Errand = Callable[[str], Awaitable[float | None]]
"""For one car: seconds that it took, or None if it came to nothing."""


@dataclass(slots=True, kw_only=True)
class Story:
    """One run. `operators`: how many work at the same time."""

    town: Town
    operators: int

    async def connect(self) -> Phase:
        """All cars are switched on at once."""
        started_s = self.town.go()
        return await self._connected("connect", started_s)

    async def reconnect(self) -> Phase:
        """The broker is killed and comes back without its last minute's sessions; each car finds out by itself."""
        killed_s = await self.town.kill_broker()
        await self.town.start_broker()
        return await self._connected("reconnect", killed_s)

    async def accounts(self) -> Phase:
        """Each car gets its subscription and learns it; the owner gets the PIN by letter."""
        return await self._each("account", self._subscribe)

    async def unlocks(self) -> Phase:
        """Each owner calls and enters the PIN; each car is unlocked. Timed from the request to the signed result."""
        return await self._each("unlock", self._unlock)

    async def calls(self, vehicle_ids: Sequence[str]) -> Phase:
        """Somebody presses ON CALL in all of these cars at once; timed until an operator sees the call.

        Who sees no call presses again: where the machine is late, the one press of a car may be over before its bus
        has shown it.
        """
        operator = self.town.client.operator()
        pressed_s = started_s = self.town.press(vehicle_ids)
        seen: dict[str, float] = {}
        while len(seen) < len(vehicle_ids) and time.monotonic() - started_s < TIMEOUT_S:
            for incident in await operator.incidents():
                if incident.source == "on-call" and incident.vehicle_id is not None:
                    seen.setdefault(incident.vehicle_id, time.monotonic())
            if time.monotonic() - pressed_s > PRESS_AGAIN_S:
                pressed_s = self.town.press([each for each in vehicle_ids if each not in seen])
            await asyncio.sleep(_LOOK_EACH_S)
        return phase(
            "on-call",
            cars=len(self.town.vehicle_ids),
            wanted=len(vehicle_ids),
            started_s=started_s,
            ended_s=list(seen.values()),
        )

    async def _connected(self, name: str, started_s: float) -> Phase:
        ended = await self.town.all_connected(since_s=started_s, timeout_s=TIMEOUT_S)
        cars = len(self.town.vehicle_ids)
        return phase(name, cars=cars, wanted=cars, started_s=started_s, ended_s=ended)

    async def _each(self, name: str, errand: Errand) -> Phase:
        started_s, busy = time.monotonic(), asyncio.Semaphore(self.operators)

        async def one(vehicle_id: str) -> float | None:
            async with busy:
                try:
                    return await errand(vehicle_id)
                except _FAILURES:
                    return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in self.town.vehicle_ids]
        took = [seconds for task in tasks if (seconds := task.result()) is not None]
        cars = len(self.town.vehicle_ids)
        seconds = time.monotonic() - started_s
        return each(name, cars=cars, wanted=cars, took_s=took, seconds=seconds)

    async def _subscribe(self, vehicle_id: str) -> float | None:
        operator, started_s = self.town.client.operator(), time.monotonic()
        await operator.subscribe(vehicle_id, address=vehicle_id)
        account = await operator.account_state(vehicle_id, timeout_s=LEARN_TIMEOUT_S)
        has_learnt = account.learnt_version == account.version
        return time.monotonic() - started_s if has_learnt else None

    async def _unlock(self, vehicle_id: str) -> float | None:
        client = self.town.client
        operator = client.operator()
        incident_id = await client.telephone().call_in(caller="owner", vehicle_id=vehicle_id)
        request_id = await operator.draft_unlock(vehicle_id, incident_id)
        ticket = await operator.ticket(request_id)
        if await client.keypad().enter(ticket, self._pin(vehicle_id)) != "right":
            return None
        started_s = time.monotonic()
        await operator.send(request_id)
        request = await operator.request(request_id, timeout_s=RESULT_TIMEOUT_S)
        took_s = time.monotonic() - started_s
        await operator.end_call(incident_id)
        told = request.result or {}
        return took_s if told.get("outcome") == "executed" else None

    def _pin(self, vehicle_id: str) -> str:
        letter = max((self.town.layout.post / vehicle_id).glob("*-pin.txt"))
        return letter.read_text(encoding="utf-8").strip()[-4:]
