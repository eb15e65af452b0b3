"""The app contacts Assistance (S9): it opens an incident like any other call; there is no self-service for PINs."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_sim.centre.api import Peer
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.world import Entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDesk:
    """Opens incidents for the app and asks about incidents."""

    pin: Peer
    command: Peer
    entropy: Entropy

    async def open(self, vehicle_id: str, app_account: str) -> bytes:
        """Open an incident and return its id."""
        incident_id = self.entropy.random_bytes(16)
        body = {
            "incident_id": incident_id.hex(),
            "vehicle_id": vehicle_id,
            "caller": f"app:{app_account}",
        }
        await self.pin.call("report-call", body)
        await self.command.call("incident-open", body)
        return incident_id

    async def check_incident(self, incident_id: bytes, vehicle_id: str) -> None:
        """Return if somebody is on the line about this vehicle: no new PIN without a call (S8).

        Raises:
            Denied: the incident is unknown, closed, or about another vehicle.
        """
        incident = await self.command.call("incident", {"incident_id": incident_id.hex()})
        if not incident["is_open"] or incident["vehicle_id"] not in {None, vehicle_id}:
            raise Denied("incident", "closed, or about another vehicle")
