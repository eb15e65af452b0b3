"""What the command service knows of each vehicle's reachability, and the durable request number of each."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from tcu_sim.centre.api import Reply
from tcu_sim.centre.command import schema
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.messages import Availability
from tcu_sim.wire.numbers import Presence

OVERDUE = "overdue"
"""Presence of a car that should have looked in and did not."""
_ORDER: Final = {Presence.ONLINE: 0, Presence.ASLEEP: 1, Presence.DOZING: 1, Presence.OFFLINE: 2}
"""Of the words of one connection. The will is the last one, also of a car that said it sleeps and could not leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All vehicles."""

    store: sqlite3.Connection
    clock: Clock

    def next_seq(self, vehicle_id: str) -> int:
        """Return the next request number; to be called inside the transaction that stores its use."""
        self.store.execute("INSERT OR IGNORE INTO vehicles (vehicle_id) VALUES (?)", (vehicle_id,))
        self.store.execute("UPDATE vehicles SET seq = seq + 1 WHERE vehicle_id = ?", (vehicle_id,))
        row = self.store.execute(
            "SELECT seq FROM vehicles WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        return int(row["seq"])

    def learn(self, message: Availability) -> None:
        """Take what an availability message says, if it is the newest word.

        Within one start the connection number orders them, and within one connection it is online before it sleeps and
        offline at last. A start that was followed by another never comes back: its will may come late. So a word counts
        once, and whoever has recorded it may play it again.
        """
        with transaction(self.store):
            if self._is_past(message.vehicle_id, message.boot_id) or not self._is_news(message):
                return
            self.store.execute(
                "INSERT INTO past_starts SELECT vehicle_id, boot_id FROM vehicles"
                " WHERE vehicle_id = ? AND boot_id IS NOT NULL AND boot_id IS NOT ?",
                (message.vehicle_id, message.boot_id),
            )
            self.store.execute(
                "INSERT INTO vehicles (vehicle_id, presence, connection, boot_id, asleep_until_s, heard_at_s)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (vehicle_id) DO UPDATE SET presence = ?2,"
                " connection = ?3, boot_id = ?4, asleep_until_s = ?5, heard_at_s = ?6",
                (
                    message.vehicle_id, int(message.presence), message.connection, message.boot_id,
                    message.asleep_until_s, self.clock.now_s(),
                ),
            )  # fmt: skip

    def _is_past(self, vehicle_id: str, boot_id: bytes) -> bool:
        found = self.store.execute(
            "SELECT 1 FROM past_starts WHERE vehicle_id = ? AND boot_id = ?", (vehicle_id, boot_id)
        ).fetchone()
        return found is not None

    def _is_news(self, message: Availability) -> bool:
        """Whether it comes after the newest word of its start."""
        row, presence = self._row(message.vehicle_id), self.presence(message.vehicle_id)
        if row is None or presence is None or row["boot_id"] != message.boot_id:
            return True
        known = (row["connection"], _ORDER[presence])
        return (message.connection, _ORDER[message.presence]) > known

    def hear(self, vehicle_id: str) -> None:
        """Take a message that has not been here before as a sign that the vehicle is there, if its own word was missed.

        It tells its availability when it connects; a centre that was started later has not heard it.
        """
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO vehicles (vehicle_id, presence, heard_at_s) VALUES (?1, ?2, ?3)"
                " ON CONFLICT (vehicle_id) DO UPDATE SET presence = coalesce(presence, ?2), heard_at_s = ?3",
                (vehicle_id, int(Presence.ONLINE), self.clock.now_s()),
            )

    def meet(self, vehicle_id: str) -> None:
        """Take a message that may be an old one as a sign that there is the vehicle, if it has never been heard."""
        if self.presence(vehicle_id) is None:
            self.hear(vehicle_id)

    def presence(self, vehicle_id: str) -> Presence | None:
        """Return what the vehicle said last; None: it never said anything."""
        row = self._row(vehicle_id)
        return None if row is None or row["presence"] is None else Presence(row["presence"])

    def asleep_until_s(self, vehicle_id: str) -> int | None:
        """Return until when a vehicle said that it sleeps, s since 1970-01-01; None: it did not, or not until when."""
        row = self._row(vehicle_id)
        return None if row is None else row["asleep_until_s"]

    def overdue_since_s(self, vehicle_id: str) -> float | None:
        """Return when a car that sleeps should have looked in, s since 1970-01-01; None: that is not over yet.

        Who has said no time and wakes up by itself does so within the hour after it was heard last.
        """
        row, presence = self._row(vehicle_id), self.presence(vehicle_id)
        if row is None or row["heard_at_s"] is None:
            return None
        due_s: float | None = None
        if presence is Presence.DOZING:
            due_s = row["heard_at_s"] + schema.WAKE_EVERY_S
        elif presence is Presence.ASLEEP and row["asleep_until_s"] is not None:
            # What was heard later is a sign of life, although its word of it was missed.
            due_s = max(float(row["asleep_until_s"]), row["heard_at_s"])
        is_over = due_s is not None and self.clock.now_s() > due_s + schema.LOOK_IN_S
        return due_s if is_over else None

    def describe(self, vehicle_id: str) -> Reply:
        """Return the vehicle as operators see it."""
        row, presence = self._row(vehicle_id), self.presence(vehicle_id)
        seen = "never heard of" if presence is None else presence.name.lower()
        return {
            "vehicle_id": vehicle_id,
            "presence": seen if self.overdue_since_s(vehicle_id) is None else OVERDUE,
            "asleep_until_s": None if row is None else row["asleep_until_s"],
            "heard_at_s": None if row is None else row["heard_at_s"],
        }

    def _row(self, vehicle_id: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM vehicles WHERE vehicle_id = ?", (vehicle_id,)
        ).fetchone()
        return row
