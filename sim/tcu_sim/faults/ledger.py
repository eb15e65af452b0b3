"""What was made at the car against what the centre has stored: each once, in order, nothing missing.

What was made is known to who made it: the doors that were opened and closed, the presses of the button. The agent is
not asked.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tcu_sim.faults.centre import StoringCentre
from tcu_sim.faults.site import VEHICLE_ID
from tcu_sim.wire.cbor import decode
from tcu_sim.wire.fields import unpack
from tcu_sim.wire.messages import Event
from tcu_sim.wire.numbers import Told

DOOR_PATH = "Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen"


@dataclass(slots=True)
class Made:
    """What happened at the car since the ledger was opened. `doors`: True = opened, in order."""

    doors: list[bool] = field(default_factory=list)
    presses: int = 0

    @property
    def events(self) -> int:
        """How many of both."""
        return len(self.doors) + self.presses


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the centre's store says."""

    doors: tuple[bool, ...]
    presses: int
    twice: int
    """Presses that are stored under more than one number."""
    numbers: int
    """Numbers that are accounted for by a record of their own."""
    covered: int
    """Numbers that tombstones account for."""
    gaps: int
    """Streams in which something is missing."""
    again: int
    """Arrivals of a number that had arrived before: sent again, or carried twice."""


class Ledger:
    """Counts from the moment it is opened."""

    def __init__(self, centre: StoringCentre) -> None:
        self._centre = centre
        self._before = self._last_row()
        self._arrived = Counter(centre.arrivals)
        self.made = Made()

    @property
    def is_balanced(self) -> bool:
        """Whether all that was made is stored once and in order, and nothing is missing in between."""
        stored = self.stored()
        return (
            list(stored.doors) == self.made.doors
            and stored.presses == self.made.presses
            and not stored.gaps
            and not stored.twice
        )

    def stored(self) -> Stored:
        """Look into the store."""
        rows = self._rows()
        events = [each for row in rows if (each := _event(row)) is not None]
        presses = [event.incident_id for event in events if event.kind == Told.ON_CALL_PRESSED]
        arrivals = self._centre.arrivals - self._arrived
        new = self._centre.arrivals.keys() - self._arrived.keys()
        tombstones = [event for event in events if event.kind == Told.TOMBSTONE]
        return Stored(
            doors=tuple(_moves(events)),
            presses=len(set(presses)),
            twice=len(presses) - len(set(presses)),
            numbers=len(rows) - len(tombstones),
            covered=sum((t.last_seq or 0) - (t.first_seq or 0) + 1 for t in tombstones),
            gaps=len(self._centre.book.gaps(VEHICLE_ID)),
            again=sum(arrivals.values()) - len(new),
        )

    def pressed(self) -> list[Event]:
        """Return the presses that are stored."""
        events = [_event(row) for row in self._rows()]
        return [each for each in events if each and each.kind == Told.ON_CALL_PRESSED]

    def _rows(self) -> list[sqlite3.Row]:
        return self._centre.store.execute(
            "SELECT * FROM records WHERE rowid > ? AND seq > 0 ORDER BY stream_id, seq",
            (self._before,),
        ).fetchall()

    def _last_row(self) -> int:
        found = self._centre.store.execute("SELECT max(rowid) FROM records").fetchone()[0]
        return int(found or 0)


def _event(row: sqlite3.Row) -> Event | None:
    return unpack(Event, decode(row["payload"])) if row["kind"] == Event.TYP else None


def _moves(events: Iterable[Event]) -> Iterator[bool]:
    """Yield what the door did. It begins closed; an agent that has just started tells once more how it is."""
    was_open = False
    for event in events:
        is_open = event.values.get(DOOR_PATH)
        if event.kind == Told.STATE_CHANGED and isinstance(is_open, bool) and is_open != was_open:
            was_open = is_open
            yield is_open
