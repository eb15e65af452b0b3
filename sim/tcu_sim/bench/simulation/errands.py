"""The centre's side of a history: an honest centre that answers each challenge after a while, if it is to be answered.

Unlike a scenario's operator it never waits: a history goes on whatever becomes of a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tcu_sim.bench.light_centre import LightCentre
from tcu_sim.bench.operator import locate_parameters, unlock_parameters
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.numbers import ACCOUNT_SERVICES, Outcome, Service

SERVICES = {
    "unlock": Service.UNLOCK,
    "armed": Service.UNLOCK,
    "snapshot": Service.POSITION,
    "tracking": Service.POSITION,
    "link": Service.APP_LINK,
    "add": Service.ADD_USER,
    "end": Service.END_SUBSCRIPTION,
    "state": Service.STATE,
}


@dataclass(slots=True)
class _Errand:
    """One request. `grants`: how often its challenge is answered (2: two back ends at once)."""

    after_s: float
    grants: int
    user_id: str
    is_answered: bool = False


class Errands:
    """All requests of one run."""

    def __init__(self, centre: LightCentre) -> None:
        self.case_ids: list[bytes] = []
        self.grants: list[bytes] = []
        """Every grant that was signed, as published."""
        self.is_closed = False
        """No more answers: the run is over."""
        self._centre = centre
        self._errands: dict[bytes, _Errand] = {}

    def ask(self, of: Mapping[str, Any]) -> bytes:
        """Publish a request and return its id."""
        service, user_id = SERVICES[of["service"]], f"user-{len(self._errands)}"
        case_id = self._centre.new_id() if service is Service.POSITION else None
        if case_id is not None:
            self.case_ids.append(case_id)
        request_id = self._centre.send_request(
            service, _parameters(of, user_id), incident_id=case_id
        )
        self._errands[request_id] = _Errand(of["after_s"], of["grants"], user_id)
        return request_id

    def hear(self, message: m.Message) -> None:
        """Take what the car said: a challenge is answered in its time, an account change is noted once it is done."""
        if isinstance(message, m.Challenge):
            self._challenged(message)
        elif isinstance(message, m.Result) and message.outcome is Outcome.EXECUTED:
            self._executed(message)

    def _challenged(self, challenge: m.Challenge) -> None:
        errand = self._errands.get(challenge.request_id)
        if errand is None or errand.is_answered or self.is_closed:
            return
        errand.is_answered = True
        if self._is_behind(challenge):
            # What an honest authority does with a car that has not learnt of a change: tell it, sign nothing.
            self._centre.send_trust()
            self._centre.send_account()
            return
        for _ in range(errand.grants):
            asyncio.get_running_loop().call_later(
                errand.after_s, self._answer, challenge.request_id
            )

    def _is_behind(self, challenge: m.Challenge) -> bool:
        account = self._centre.account
        return (
            challenge.trust_version,
            challenge.trust_epoch,
            challenge.ownership_generation,
            challenge.pin_generation,
        ) != (
            self._centre.trust_version,
            self._centre.epoch,
            account.ownership_generation,
            account.pin_generation,
        )

    def _answer(self, request_id: bytes) -> None:
        if self.is_closed:
            return
        request, centre = self._centre.requests[request_id], self._centre
        if request.service in ACCOUNT_SERVICES:
            self._change_account(request)
        else:
            self.grants.append(centre.send(centre.grant(request_id)))

    def _change_account(self, request: m.Request) -> None:
        centre, account = self._centre, self._centre.account
        is_end = request.service is Service.END_SUBSCRIPTION
        users = set() if is_end else {*account.users, self._errands[request.request_id].user_id}
        account.version += 1
        centre.send(
            m.Account(
                vehicle_id=centre.vehicle_id,
                version=account.version,
                epoch=centre.epoch,
                ownership_generation=account.ownership_generation,
                pin_generation=account.pin_generation,
                users=tuple(sorted(users)[:16]),
                subscription_active=not is_end and account.subscription_active,
                evidence=centre.evidence(request.request_id),
            )
        )

    def _executed(self, result: m.Result) -> None:
        """The change is the centre's truth when the car says that it is the car's."""
        account, errand = self._centre.account, self._errands.get(result.request_id)
        if errand is None:
            return
        if result.service is Service.END_SUBSCRIPTION:
            account.users, account.subscription_active = (), False
        elif result.service in ACCOUNT_SERVICES and account.subscription_active:
            account.users = tuple(sorted({*account.users, errand.user_id})[:16])


def _parameters(of: Mapping[str, Any], user_id: str) -> p.Parameters:
    match SERVICES[of["service"]]:
        case Service.UNLOCK:
            return unlock_parameters(of.get("window_s"))
        case Service.POSITION:
            return locate_parameters(of.get("interval_s"), of.get("duration_s"))
        case Service.APP_LINK | Service.ADD_USER:
            return p.User(user_id=user_id)
        case _:
            return p.Nothing()
