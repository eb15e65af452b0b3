"""The telephone exchange, and the keypad of somebody who is on the line."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from tcu_sim.centre.api import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephone:
    """The exchange: it reports calls to the operators and to the PIN authority, so that nobody can make one up."""

    command: Peer
    pin: Peer

    async def call_in(self, *, caller: str, vehicle_id: str | None = None) -> bytes:
        """Somebody calls Assistance; returns the incident id. `vehicle_id`: if the caller's number tells."""
        incident_id = secrets.token_bytes(16)
        body = {"incident_id": incident_id.hex(), "caller": caller}
        if vehicle_id is not None:
            body["vehicle_id"] = vehicle_id
        await self.pin.call("report-call", body)
        await self.command.call("incident-open", body)
        return incident_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypad:
    """A caller's keypad tones or form."""

    pin: Peer

    async def enter(self, ticket: str, pin: str) -> str:
        """Enter a PIN; returns ``right``, ``wrong``, ``throttled`` or ``new-pin-needed``."""
        reply = await self.pin.call("enter", {"ticket": ticket, "pin": pin})
        return str(reply["answer"])
