"""Incidents: opened by the car's ON CALL press, the telephone exchange or the app; and the state of their calls."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tcu_sim.centre.api import Reply
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.messages import Call, Event
from tcu_sim.wire.numbers import Call as CallState

ON_CALL = "on-call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an incident comes from. `vehicle_id` None: the caller has not said yet which car."""

    source: str
    caller: str
    vehicle_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentBook:
    """All incidents."""

    store: sqlite3.Connection
    clock: Clock

    def open_on_call(self, event: Event, message: bytes) -> bool:
        """Open the incident of an ON CALL event (`message`: the signed bytes); returns whether it is new.

        That it rings is the first that the car is told, so call control begins with number 1.
        """
        if event.incident_id is None:
            return False
        with transaction(self.store):
            cursor = self.store.execute(
                "INSERT OR IGNORE INTO incidents VALUES (?, ?, ?, ?, ?, ?, 1, ?, NULL, ?, NULL)",
                (
                    event.incident_id, event.vehicle_id, ON_CALL, f"vehicle:{event.vehicle_id}",
                    event.boot_id, int(CallState.RINGING), self.clock.now_s(), message,
                ),
            )  # fmt: skip
        return cursor.rowcount == 1

    def open_call(self, incident_id: bytes, origin: Origin) -> None:
        """Open the incident of a call that did not come from the car."""
        with transaction(self.store):
            self.store.execute(
                "INSERT OR IGNORE INTO incidents VALUES (?, ?, ?, ?, NULL, ?, 0, ?, NULL, NULL, NULL)",
                (
                    incident_id, origin.vehicle_id, origin.source, origin.caller,
                    int(CallState.RINGING), self.clock.now_s(),
                ),
            )  # fmt: skip

    def find(self, incident_id: bytes) -> sqlite3.Row:
        """Return an incident.

        Raises:
            Denied: there is none.
        """
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM incidents WHERE incident_id = ?", (incident_id,)
        ).fetchone()
        if row is None:
            raise Denied("incident", "no such incident")
        return row

    def check_open(self, incident_id: bytes, vehicle_id: str) -> None:
        """Return if the incident is open and about this vehicle.

        Raises:
            Denied: it is not.
        """
        row = self.find(incident_id)
        if row["closed_at_s"] is not None or row["vehicle_id"] not in {None, vehicle_id}:
            raise Denied("incident", "closed, or about another vehicle")

    def move(
        self, incident_id: bytes, state: CallState, *, operator: str | None = None
    ) -> Call | None:
        """Set the state of the call; returns what the car has to be told, None if the call is not with the car.

        Raises:
            Denied: no such incident, or it is closed.
        """
        row = self.find(incident_id)
        if row["closed_at_s"] is not None:
            raise Denied("incident", "closed")
        ends = state in {CallState.ENDED, CallState.FAILED}
        with transaction(self.store):
            self.store.execute(
                "UPDATE incidents SET state = ?, call_seq = call_seq + 1, closed_at_s = ?,"
                " operator = coalesce(?, operator) WHERE incident_id = ?",
                (int(state), self.clock.now_s() if ends else None, operator, incident_id),
            )
        return self.call_message(incident_id)

    def over_in_car(self, event: Event, state: CallState) -> Call | None:
        """Close the incident of a call that is over in its car; returns what to tell that, None if none is open."""
        row = self.store.execute(
            "SELECT 1 FROM incidents WHERE incident_id = ? AND vehicle_id = ? AND closed_at_s IS NULL",
            (event.incident_id, event.vehicle_id),
        ).fetchone()
        if row is None or event.incident_id is None:
            return None
        return self.move(event.incident_id, state)

    def call_message(self, incident_id: bytes) -> Call | None:
        """Return the message that tells the car the state of its call; None if the call is not with the car."""
        row = self.find(incident_id)
        if row["boot_id"] is None:
            return None
        return Call(
            vehicle_id=row["vehicle_id"],
            boot_id=row["boot_id"],
            incident_id=incident_id,
            seq=row["call_seq"],
            state=CallState(row["state"]),
        )

    def listing(self, vehicle_id: str | None = None) -> list[Reply]:
        """Return the incidents, newest first; of one vehicle, or of all."""
        rows = self.store.execute(
            "SELECT * FROM incidents WHERE ?1 IS NULL OR vehicle_id = ?1 ORDER BY opened_at_s DESC, rowid DESC",
            (vehicle_id,),
        ).fetchall()
        return [describe(row) for row in rows]


def describe(row: sqlite3.Row) -> Reply:
    """Return an incident as operators see it."""
    return {
        "incident_id": row["incident_id"].hex(),
        "vehicle_id": row["vehicle_id"],
        "source": row["source"],
        "caller": row["caller"],
        "call": CallState(row["state"]).name.lower(),
        "is_open": row["closed_at_s"] is None,
        "opened_at_s": row["opened_at_s"],
        "operator": row["operator"],
    }
