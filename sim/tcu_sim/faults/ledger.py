"""What was made at the car against what the centre has stored: each once, in order, nothing missing.

What was made is known to who made it: the doors that were opened and closed, the presses of the button; and to a node
that listens on the bus: how often the alarm went off. The agent is not asked. Each class of messages is compared by
itself, for that is what the order is promised for: telemetry by what it says, one by one; ON CALL by number and
incident; security by number. Numbers without a record are gaps, whatever stood there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tcu_sim.faults.centre import StoringCentre
from tcu_sim.faults.site import VEHICLE_ID, BusWatch
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
    alarms: int = 0
    given_up: int = 0
    """Of `doors` and `presses`, for good, by a fault that leaves no trace of them."""

    @property
    def events(self) -> int:
        """How many of all."""
        return len(self.doors) + self.presses + self.alarms + self.given_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the centre's store says."""

    doors: tuple[bool, ...]
    presses: int
    alarms: int
    twice: int
    """What is stored under more than one number: presses of one incident, and changes of a door that are none."""
    starts: int
    """How many starts of the agent told all this. Each may tell once more how the car is, and that its alarm sounds."""
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

    def __init__(self, centre: StoringCentre, watch: BusWatch) -> None:
        self._centre = centre
        self._watch = watch
        self._alarms_before = watch.alarms
        self._before = self._last_row()
        self._arrived = Counter(centre.arrivals)
        self._made = Made()

    @property
    def made(self) -> Made:
        """What happened until now."""
        self._made.alarms = self._watch.alarms - self._alarms_before
        return self._made

    @property
    def is_balanced(self) -> bool:
        """Whether all that was made is stored once and in order, and nothing is missing in between."""
        stored = self.stored()
        return (
            list(stored.doors) == self.made.doors
            and stored.presses == self.made.presses
            and 0 <= stored.alarms - self.made.alarms < max(stored.starts, 1)
            and not stored.gaps
            and not stored.twice
        )

    def stored(self) -> Stored:
        """Look into the store."""
        rows = self._rows()
        events = [each for row in rows if (each := _event(row)) is not None]
        told = [event for event in events if event.kind == Told.ON_CALL_PRESSED]
        # Without a disk a press is told at once, outside the stream, and in it when there is one again: the same one.
        presses = [event.incident_id for event in told if event.seq]
        arrivals = self._centre.arrivals - self._arrived
        new = self._centre.arrivals.keys() - self._arrived.keys()
        tombstones = [event for event in events if event.kind == Told.TOMBSTONE]
        moves, repeats = _moves(events)
        return Stored(
            doors=tuple(moves),
            presses=len({event.incident_id for event in told}),
            alarms=sum(event.kind == Told.ALARM for event in events),
            twice=len(presses) - len(set(presses)) + repeats,
            starts=len({event.boot_id for event in events}),
            numbers=sum(row["seq"] > 0 for row in rows) - len(tombstones),
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
            # A new stream begins after the old one has ended; what is outside a stream has numbers below zero.
            "SELECT r.* FROM records AS r JOIN (SELECT stream_id, min(rowid) AS first FROM records GROUP BY stream_id)"
            " USING (stream_id) WHERE r.rowid > ? ORDER BY first, abs(seq)",
            (self._before,),
        ).fetchall()

    def _last_row(self) -> int:
        found = self._centre.store.execute("SELECT max(rowid) FROM records").fetchone()[0]
        return int(found or 0)


def _event(row: sqlite3.Row) -> Event | None:
    return unpack(Event, decode(row["payload"])) if row["kind"] == Event.TYP else None


def _moves(events: Iterable[Event]) -> tuple[list[bool], int]:
    """Return what the door did, and how often that was told although nothing had changed.

    It begins closed. An agent that has just started tells once more how it is, and that is no repetition.
    """
    moves, repeats, was_open = [], 0, False
    told_by: bytes | None = None
    for event in events:
        is_open = event.values.get(DOOR_PATH)
        if event.kind != Told.STATE_CHANGED or not isinstance(is_open, bool):
            continue
        if is_open != was_open:
            moves.append(is_open)
        elif event.boot_id == told_by:
            repeats += 1
        was_open, told_by = is_open, event.boot_id
    return moves, repeats
