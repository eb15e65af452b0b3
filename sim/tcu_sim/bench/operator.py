"""What an operator, the owner or the theft desk do at the light centre, from request to result, one call each."""

from __future__ import annotations

from collections.abc import Callable

from tcu_sim.bench.light_centre import LightCentre
from tcu_sim.bench.waiting import Waiting
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.numbers import Kind, Mode, Service

Waited = Callable[[], object]


class Operator:
    """Carries requests through. Each step waits for the car's answer; a refusal ends it."""

    def __init__(self, *, centre: LightCentre, waiting: Waiting) -> None:
        self._centre = centre
        self._waiting = waiting

    # ------------------------------------------------------------------ whole errands
    async def unlock(self, *, window_s: int | None = None, timeout_s: float = 60.0) -> m.Result:
        """Unlock with the right PIN, direct or (with a window) armed, and return the result."""
        request_id = await self.granted(Service.UNLOCK, unlock_parameters(window_s))
        return await self.result(request_id, timeout_s=timeout_s)

    async def locate(
        self,
        *,
        interval_s: int | None = None,
        duration_s: int | None = None,
        case_id: bytes | None = None,
    ) -> m.Result:
        """Open a theft case with the right PIN: a snapshot, or tracking where both times are given."""
        parameters = locate_parameters(interval_s, duration_s)
        request_id = await self.granted(Service.POSITION, parameters, incident_id=case_id)
        return await self.result(request_id)

    async def change_users(self, service: Service, user_id: str) -> m.Result:
        """Link an app or add a user with the right PIN: the account message stands in the place of the grant."""
        request_id = await self.challenged(service, p.User(user_id=user_id))
        self._centre.account.users = tuple(sorted({*self._centre.account.users, user_id}))
        self._centre.send_account(self._centre.evidence(request_id))
        return await self.result(request_id)

    async def end_subscription(self) -> m.Result:
        """End the subscription with the right PIN."""
        request_id = await self.challenged(Service.END_SUBSCRIPTION, p.Nothing())
        self._centre.account.users = ()
        self._centre.account.subscription_active = False
        self._centre.send_account(self._centre.evidence(request_id))
        return await self.result(request_id)

    # ------------------------------------------------------------------ steps of one
    async def granted(
        self, service: Service, parameters: p.Parameters, *, incident_id: bytes | None = None
    ) -> bytes:
        """Ask, take the challenge, send the grant; return the request id."""
        request_id = await self.challenged(service, parameters, incident_id=incident_id)
        self._centre.send(self._centre.grant(request_id))
        return request_id

    async def challenged(
        self, service: Service, parameters: p.Parameters, *, incident_id: bytes | None = None
    ) -> bytes:
        """Ask and return the request id when the challenge is there.

        Raises:
            NothingCame: the car refused (the text names the reason) or was silent.
        """
        request_id = self._centre.send_request(service, parameters, incident_id=incident_id)
        await self._answer(f"a challenge for {service.name}", request_id, self._has_challenge)
        return request_id

    async def refused(
        self, service: Service, parameters: p.Parameters, *, incident_id: bytes | None = None
    ) -> int:
        """Ask for something that the car will not even challenge; return the reason."""
        since = len(self._centre.heard.refusals)
        self._centre.send_request(service, parameters, incident_id=incident_id)
        return await self._waiting.refusal(since=since)

    async def result(self, request_id: bytes, *, timeout_s: float = 60.0) -> m.Result:
        """Return the result of a request."""
        await self._answer("a result", request_id, self._has_result, timeout_s=timeout_s)
        return self._results(request_id)[0]

    async def _answer(
        self,
        what: str,
        request_id: bytes,
        is_there: Callable[[bytes], bool],
        *,
        timeout_s: float = 30.0,
    ) -> None:
        since = len(self._centre.heard.refusals)

        def refused() -> list[int]:
            refusals = self._centre.heard.refusals[since:]
            return [each.reason for each in refusals if each.request_id == request_id]

        def found() -> bool:
            return is_there(request_id) or bool(refused())

        await self._waiting.until(what, found, timeout_s=timeout_s)
        if not is_there(request_id):
            raise self._waiting.nothing(f"{what}: refused with {refused()}")

    def _has_challenge(self, request_id: bytes) -> bool:
        return request_id in self._centre.heard.challenges

    def _has_result(self, request_id: bytes) -> bool:
        return bool(self._results(request_id))

    def _results(self, request_id: bytes) -> list[m.Result]:
        return [each for each in self._centre.heard.answers if each.request_id == request_id]


def unlock_parameters(window_s: int | None = None) -> p.Unlock:
    """Return direct, or armed with a window in seconds."""
    return p.Unlock(mode=Mode.DIRECT if window_s is None else Mode.ARMED, window_s=window_s)


def locate_parameters(interval_s: int | None = None, duration_s: int | None = None) -> p.Locate:
    """Return a snapshot, or tracking with both times in seconds."""
    kind = Kind.SNAPSHOT if interval_s is None else Kind.TRACKING
    return p.Locate(kind=kind, interval_s=interval_s, duration_s=duration_s)
