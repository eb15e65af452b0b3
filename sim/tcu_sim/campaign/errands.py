"""What people and the centre do with the car while an agent lives: a dense everyday, drawn from the seed.

An errand waits for each answer, but not for long: the agent may be killed at any moment, and then it just ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.campaign.evidence import Evidence, Grant, Tracking
from tcu_sim.campaign.observer import NO_CALL, boottime
from tcu_sim.campaign.town import Predicate, Town
from tcu_sim.errors import NotPossible
from tcu_sim.vehicle.reference import Door, LockPosition
from tcu_sim.vehicle.vehicle import Vehicle
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.numbers import Call, Service, Told

ANSWER_S = 2.0
RESULT_S = 8.0
MOVING_S = 3.0
RELOCK_S = 14.0
"""The demo's configuration locks again after 10 s."""
WINDOW_S = 10
INTERVAL_S, DURATION_S = 5, 10
"""Shortest tracking that the protocol knows."""
USERS = 500
WANTED_AGAIN = 0.6
TWICE = 0.4
"""How often a grant goes out twice at once."""
Errand = Callable[[], Awaitable[None]]


class Errands:
    """Errands in one life of the agent. `AT_THE_CAR` are those that need its doors, one at a time."""

    def __init__(self, *, town: Town, life: int, rng: Random, pace: float = 1.0) -> None:
        self._town = town
        self._pace = pace
        self._centre = town.centre
        self._heard = town.centre.heard
        self._life = life
        self._rng = rng
        self.at_the_car: dict[str, Errand] = {
            "unlock": self._unlock,
            "armed unlock": self._armed_unlock,
            "doors": self._doors,
            "re-lock": self._relock,
        }
        self.from_afar: dict[str, Errand] = {
            "call": self._call,
            "users": self._users,
            "snapshot": self._snapshot,
            "tracking": self._tracking,
            "end of case": self._end_of_case,
            "state": self._state,
            "trust": self._trust,
        }

    async def run(self, first: str, errands: dict[str, Errand]) -> None:
        """Do the wanted errand, if it is among these, and others, until cancelled."""
        names = [name for name in errands if name != "re-lock"]
        is_wanted = first in errands
        while True:
            with suppress(NotPossible):
                await errands[first if is_wanted else self._rng.choice(names)]()
            is_wanted = first in errands and self._rng.random() < WANTED_AGAIN

    @property
    def _seen(self) -> Evidence:
        return self._town.observer.evidence

    # ------------------------------------------------------------------ at the car
    async def _unlock(self) -> None:
        await self._granted_unlock(window_s=None)

    async def _armed_unlock(self) -> None:
        await self._granted_unlock(window_s=WINDOW_S)

    async def _relock(self) -> None:
        await self._unlock()
        locks = self._locks()
        await self._until(lambda: self._locks() > locks, timeout_s=RELOCK_S)

    async def _granted_unlock(self, *, window_s: int | None) -> None:
        await self._lock_by_key()
        parameters = unlock_parameters(window_s)
        request_id = await self._challenged(Service.UNLOCK, parameters)
        if request_id is None:
            return
        self._seen.grants.append(Grant(request_id, boottime(), self._life))
        self._send_grant(request_id)
        if window_s is not None and await self._event(Told.UNLOCK_ARMED, request_id=request_id):
            self._town.act(lambda person, now: person.press_plate(now=now))
        await self._result(request_id)

    async def _doors(self) -> None:
        town = self._town
        town.act(lambda person, now: person.unlock(now=now))
        if await town.runner.wait_until(
            _all_at(LockPosition.UNLOCKED), within_s=MOVING_S * self._pace
        ):
            door = self._rng.choice(list(Door))
            town.act(lambda person, now: person.open_door(door, now=now))
            await self._state()
        await self._lock_by_key()

    async def _lock_by_key(self) -> None:
        town = self._town
        for door in [door for door, is_open in town.vehicle.doors.items() if is_open]:
            town.act(lambda person, now, door=door: person.close_door(door, now=now))  # type: ignore[misc]  # mypy cannot infer a default here
        if not _all_at(LockPosition.LOCKED)(town.vehicle):
            town.act(lambda person, now: person.lock(now=now))
            await town.runner.wait_until(
                _all_at(LockPosition.LOCKED), within_s=MOVING_S * self._pace
            )

    def _locks(self) -> int:
        return sum(not command.is_unlock for command in self._seen.commands)

    # ------------------------------------------------------------------ from afar
    async def _call(self) -> None:
        observer = self._town.observer
        await self._end_call()
        observer.pressed()
        presses = len(self._seen.presses)
        self._town.act(lambda person, now: person.press_on_call(0.25, now=now))
        if not await self._until(lambda: len(self._seen.presses) > presses, timeout_s=ANSWER_S):
            return
        for state in (Call.RINGING, Call.CONNECTED):
            await self._say(state)
        if self._rng.random() < 0.7:
            await self._end_call()

    async def _say(self, state: Call) -> None:
        known = len(self._calls())
        await self._until(self._incident, timeout_s=ANSWER_S)
        if incident := self._incident():
            self._centre.send_call(incident, state)
            await self._until(lambda: len(self._calls()) > known, timeout_s=ANSWER_S)

    async def _end_call(self) -> None:
        if self._town.observer.call_state not in NO_CALL and self._incident():
            await self._say(Call.ENDED)

    def _incident(self) -> m.Event | None:
        """Return the newest press, as it was told under the boot id that the car knows the call by."""
        pressed = [e for e in self._heard.events.values() if e.kind == Told.ON_CALL_PRESSED]
        return max(pressed, key=lambda event: event.seq, default=None)

    def _calls(self) -> list[m.Event]:
        return [e for e in self._heard.events.values() if e.kind == Told.CALL_STATE]

    async def _users(self) -> None:
        account = self._centre.account
        account.users = ()
        if self._rng.random() < 0.3:
            account.pin_generation += 1
        self._centre.send_account()
        user_id = f"user-{self._rng.randrange(USERS)}"
        request_id = await self._challenged(Service.ADD_USER, p.User(user_id=user_id))
        if request_id is not None:
            account.users = (user_id,)
            self._centre.send_account(self._centre.evidence(request_id))
            await self._result(request_id)

    async def _snapshot(self) -> None:
        request_id = await self._challenged(Service.POSITION, locate_parameters())
        if request_id is not None:
            self._send_grant(request_id)
            await self._result(request_id)

    async def _tracking(self) -> None:
        parameters = locate_parameters(INTERVAL_S, DURATION_S)
        request_id = await self._challenged(Service.POSITION, parameters)
        if request_id is None:
            return
        challenge = self._heard.challenges[request_id].message
        tracking = Tracking(
            case_id=self._centre.requests[request_id].incident_id,
            request_id=request_id,
            at=boottime(),
            until=boottime() + challenge.ttl_s + DURATION_S,
            most=1 + DURATION_S // INTERVAL_S,
        )
        self._seen.trackings.append(tracking)
        self._send_grant(request_id)
        await self._result(request_id, timeout_s=DURATION_S + RESULT_S)

    async def _end_of_case(self) -> None:
        for tracking in self._seen.trackings[-1:]:
            if tracking.request_id not in self._seen.outcomes:
                self._centre.send(
                    m.CaseEnd(vehicle_id=self._centre.vehicle_id, case_id=tracking.case_id)
                )
                await self._result(tracking.request_id)
                return
        await self._snapshot()

    async def _state(self) -> None:
        request_id = self._centre.send_request(Service.STATE, p.Nothing())
        await self._event(Told.STATE_REPORT, request_id=request_id)

    async def _trust(self) -> None:
        self._centre.trust_version += 1
        known = self._count(Told.TRUST_CHANGED)
        self._centre.send_trust()
        await self._until(lambda: self._count(Told.TRUST_CHANGED) > known, timeout_s=ANSWER_S)

    # ------------------------------------------------------------------ steps
    async def _challenged(self, service: Service, parameters: p.Parameters) -> bytes | None:
        request_id = self._centre.send_request(service, parameters)
        is_there = await self._until(
            lambda: request_id in self._heard.challenges, timeout_s=ANSWER_S
        )
        return request_id if is_there else None

    def _send_grant(self, request_id: bytes) -> None:
        data = self._centre.send(self._centre.grant(request_id))
        if self._rng.random() < TWICE:
            self._town.publish("grant", data)

    async def _result(self, request_id: bytes, *, timeout_s: float = RESULT_S) -> None:
        await self._until(lambda: request_id in self._seen.outcomes, timeout_s=timeout_s)

    async def _event(self, kind: Told, *, request_id: bytes) -> bool:
        def is_there() -> bool:
            events = reversed(self._heard.events.values())
            return any(e.kind == kind and e.request_id == request_id for e in events)

        return await self._until(is_there, timeout_s=ANSWER_S)

    async def _until(self, predicate: Predicate, *, timeout_s: float) -> bool:
        return await self._town.until(predicate, timeout_s=timeout_s * self._pace)

    def _count(self, kind: Told) -> int:
        return sum(event.kind == kind for event in self._heard.events.values())


def _all_at(position: LockPosition) -> Callable[[Vehicle], bool]:
    return lambda vehicle: all(lock is position for lock in vehicle.locks.values())
