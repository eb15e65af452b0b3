"""An operator's console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tcu_sim.centre import views
from tcu_sim.centre.api import Peer
from tcu_sim.centre.views import (
    AccountView,
    CaseView,
    IncidentView,
    KeeperChangeView,
    RequestView,
    view,
)
from tcu_sim.wire.fields import pack
from tcu_sim.wire.numbers import Kind, Mode
from tcu_sim.wire.parameters import Locate, Nothing, Parameters, Unlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What an operator can do. A request: draft it, get a ticket for the caller's PIN entry, send it, look at it."""

    command: Peer
    account: Peer
    desk: Peer
    pin: Peer

    async def incidents(
        self, vehicle_id: str | None = None, *, only_open: bool = True, timeout_s: float = 0
    ) -> list[IncidentView]:
        """Return incidents, newest first; waits up to `timeout_s` for the first one."""
        body = {"vehicle_id": vehicle_id, "only_open": only_open, "timeout_s": timeout_s}
        reply = await self.command.call("incidents", body)
        return [view(IncidentView, incident) for incident in reply["incidents"]]

    async def answer(self, incident_id: bytes) -> IncidentView:
        """Answer a call."""
        return view(
            IncidentView, await self.command.call("incident-answer", _incident(incident_id))
        )

    async def end_call(self, incident_id: bytes) -> IncidentView:
        """End a call and close its incident."""
        return view(IncidentView, await self.command.call("incident-end", _incident(incident_id)))

    async def draft_state(self, vehicle_id: str, incident_id: bytes) -> bytes:
        """Prepare a question for lock and door state; returns the request id."""
        return await self._draft("state", vehicle_id, incident_id, Nothing())

    async def draft_unlock(
        self, vehicle_id: str, incident_id: bytes, *, window_s: int | None = None
    ) -> bytes:
        """Prepare an unlock, armed if there is a window; returns the request id."""
        mode = Mode.DIRECT if window_s is None else Mode.ARMED
        parameters = Unlock(mode=mode, window_s=window_s)
        return await self._draft("unlock", vehicle_id, incident_id, parameters)

    async def draft_snapshot(self, vehicle_id: str, incident_id: bytes, *, case_id: bytes) -> bytes:
        """Prepare a question for one position; returns the request id."""
        parameters = Locate(kind=Kind.SNAPSHOT)
        return await self._draft("position", vehicle_id, incident_id, parameters, case_id)

    async def draft_tracking(
        self,
        vehicle_id: str,
        incident_id: bytes,
        *,
        case_id: bytes,
        interval_s: int,
        duration_s: int,
    ) -> bytes:
        """Prepare tracking; returns the request id."""
        parameters = Locate(kind=Kind.TRACKING, interval_s=interval_s, duration_s=duration_s)
        return await self._draft("position", vehicle_id, incident_id, parameters, case_id)

    async def ticket(self, request_id: bytes) -> str:
        """Return a ticket with which the caller enters the PIN (`Keypad`)."""
        return str((await self.command.call("request-ticket", _request(request_id)))["ticket"])

    async def enter_heard_pin(self, ticket: str, pin: str) -> str:
        """Enter a PIN for a caller who cannot; the owner is told that it was heard."""
        reply = await self.pin.call("enter", {"ticket": ticket, "pin": pin})
        return str(reply["answer"])

    async def send(self, request_id: bytes) -> RequestView:
        """Send a request to the car (again, if it came to nothing)."""
        return view(RequestView, await self.command.call("request-send", _request(request_id)))

    async def request(self, request_id: bytes, *, timeout_s: float = 0) -> RequestView:
        """Look at a request; waits up to `timeout_s` for its end."""
        body = {**_request(request_id), "timeout_s": timeout_s}
        return view(RequestView, await self.command.call("request", body))

    async def request_unlike(
        self, request_id: bytes, state: str, *, timeout_s: float
    ) -> RequestView:
        """Look at a request as soon as its state is another than `state`, or after `timeout_s`."""
        body = {**_request(request_id), "unlike": state, "timeout_s": timeout_s}
        return view(RequestView, await self.command.call("request", body))

    async def grant_again(self, request_id: bytes) -> None:
        """Send the car the very same grant again; it answers with the stored result."""
        await self.command.call("grant-again", _request(request_id))

    async def vehicle(self, vehicle_id: str) -> views.VehicleView:
        """Look at a vehicle's reachability."""
        reply = await self.command.call("vehicle", {"vehicle_id": vehicle_id})
        return view(views.VehicleView, reply)

    async def records(
        self, vehicle_id: str, *, after: int = 0, timeout_s: float = 0
    ) -> list[Mapping[str, Any]]:
        """Return events and results with `number` above `after`; waits up to `timeout_s` for the first one."""
        body = {"vehicle_id": vehicle_id, "after": after, "timeout_s": timeout_s}
        return list((await self.command.call("records", body))["records"])

    async def publish_trust(self, vehicle_id: str) -> None:
        """Send the car the trust bundle."""
        await self.command.call("trust-publish", {"vehicle_id": vehicle_id})

    async def subscribe(self, vehicle_id: str, *, address: str) -> AccountView:
        """Begin a vehicle's first subscription; the PIN goes to `address`. Later ones: `propose_keeper`."""
        body = {"vehicle_id": vehicle_id, "address": address}
        return view(AccountView, await self.account.call("subscribe", body))

    async def reissue(self, vehicle_id: str, incident_id: bytes) -> AccountView:
        """Replace the PIN for somebody on the line; it goes to the registered keeper."""
        body = {"vehicle_id": vehicle_id, **_incident(incident_id)}
        return view(AccountView, await self.account.call("reissue", body))

    async def account_state(self, vehicle_id: str, *, timeout_s: float = 0) -> AccountView:
        """Look at a vehicle's account; waits up to `timeout_s` until the car has learnt it."""
        body = {"vehicle_id": vehicle_id, "timeout_s": timeout_s}
        return view(AccountView, await self.account.call("state", body))

    async def teach_again(self, vehicle_id: str) -> None:
        """Teach the account to a car that has lost its memory; its users have to be added again."""
        await self.account.call("teach-again", {"vehicle_id": vehicle_id})

    async def propose_keeper(
        self, vehicle_id: str, *, kind: str, address: str, proof: str
    ) -> KeeperChangeView:
        """Propose a change of ``keeper`` or ``address``; `proof`: reference of the document that was seen."""
        body = {"vehicle_id": vehicle_id, "kind": kind, "address": address, "proof": proof}
        return view(KeeperChangeView, await self.account.call("keeper-propose", body))

    async def confirm_keeper(self, keeper_change_id: bytes) -> KeeperChangeView:
        """Confirm another operator's proposal."""
        return await self._keeper("keeper-confirm", keeper_change_id)

    async def cancel_keeper(self, keeper_change_id: bytes) -> KeeperChangeView:
        """Cancel a proposal: the old keeper has objected."""
        return await self._keeper("keeper-cancel", keeper_change_id)

    async def keeper_change(self, keeper_change_id: bytes) -> KeeperChangeView:
        """Look at a proposal."""
        return await self._keeper("keeper-change", keeper_change_id)

    async def open_case(self, vehicle_id: str) -> CaseView:
        """Open a theft case."""
        return view(CaseView, await self.desk.call("case-open", {"vehicle_id": vehicle_id}))

    async def confirm_case(self, case_id: bytes, *, note: str = "agreed") -> CaseView:
        """Agree for the centre that the car is traced."""
        body = {"case_id": case_id.hex(), "reference": note}
        return view(CaseView, await self.desk.call("case-confirm", body))

    async def case(self, case_id: bytes) -> CaseView:
        """Look at a case; positions are not shown here."""
        return view(CaseView, await self.desk.call("case", {"case_id": case_id.hex()}))

    async def end_case(self, case_id: bytes) -> CaseView:
        """End a case: the car stops, the positions are erased."""
        return view(CaseView, await self.desk.call("case-end", {"case_id": case_id.hex()}))

    async def fleet_alarms(self) -> list[Mapping[str, Any]]:
        """Return the alarms about wrong PINs over the whole fleet."""
        return list((await self.pin.call("alarms", {}))["alarms"])

    async def _draft(
        self,
        service: str,
        vehicle_id: str,
        incident_id: bytes,
        parameters: Parameters,
        case_id: bytes | None = None,
    ) -> bytes:
        body: dict[str, object] = {
            "service": service,
            "vehicle_id": vehicle_id,
            "parameters": {str(key): value for key, value in pack(parameters).items()},
            **_incident(incident_id),
        }
        if case_id is not None:
            body["case_id"] = case_id.hex()
        return bytes.fromhex((await self.command.call("request-draft", body))["request_id"])

    async def _keeper(self, operation: str, keeper_change_id: bytes) -> KeeperChangeView:
        body = {"keeper_change_id": keeper_change_id.hex()}
        return view(KeeperChangeView, await self.account.call(operation, body))


def _incident(incident_id: bytes) -> dict[str, str]:
    return {"incident_id": incident_id.hex()}


def _request(request_id: bytes) -> dict[str, str]:
    return {"request_id": request_id.hex()}
