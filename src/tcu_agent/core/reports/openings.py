"""Locks that have opened, until it is clear what moved them. `watch` puts them in and judges what comes out.

Theory of operation. What moved the locks may stand in a message of its own. So what is said of it when a lock is seen
open may still be of the movement before: the key that locked the car. It is clear

- at once, if the same frame says it, or as soon as something else is said than before, a silence left out;
- if the same is said `SETTLED_S` later still: it is the same again, or was said before a motor that took its time; and
- after `SOURCE_WITHIN_S`, by what was said when the lock opened. What is said later is of something else.

A lock that becomes unknown has not closed. One that is seen locked again is clear at that moment, in the same way: what
is said from then on may be of the locking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tcu_agent.core import vss
from tcu_agent.core.events import Value
from tcu_agent.core.vehicle import VehicleState

SOURCE_WITHIN_S: Final = 5.0
"""How long after a lock opened what moved it may get known."""

SETTLED_S: Final = 1.0
"""How long after a lock opened a message of its own may still say what moved it before: twice a usual cycle."""


@dataclass(slots=True, kw_only=True)
class Opening:
    """One lock that opened. Times: CLOCK_BOOTTIME, s."""

    at: float
    until: float
    """When it is clear at the latest."""
    source: Value
    """What was said to have moved the locks when this one was seen open, None if nothing."""
    before: Value
    """The same, or what was said last before that silence: of a sleeping bus, or of one that was lost."""
    is_said_with_it: bool
    may_be_of_use: bool
    """Whether the car may have been in use since the lock was seen locked."""


class Openings:
    """Remembers one opening of each lock."""

    def __init__(self, *, vehicle: VehicleState) -> None:
        self._vehicle = vehicle
        self._openings: dict[str, Opening] = {}

    @property
    def deadline(self) -> float | None:
        """When the next one is clear at the latest, CLOCK_BOOTTIME, s."""
        return min((each.until for each in self._openings.values()), default=None)

    def opened(self, path: str, *, at: float, is_said_with_it: bool, may_be_of_use: bool) -> None:
        """Note that a lock was seen to have opened; `is_said_with_it`: and what moved it was said by the same frame."""
        self._openings[path] = Opening(
            at=at,
            until=at + SOURCE_WITHIN_S,
            source=self._vehicle.value(vss.LOCKING_SOURCE),
            before=self._vehicle.last_known(vss.LOCKING_SOURCE),
            is_said_with_it=is_said_with_it,
            may_be_of_use=may_be_of_use,
        )

    def locked(self, path: str) -> None:
        """Note that a lock was seen locked: what is said from now on is of that."""
        if opening := self._openings.get(path):
            opening.until = opening.at

    def take_clear(self, now: float) -> Iterator[tuple[str, Value, Opening]]:
        """Forget those that are clear, and iterate over them: path, what moved it (None: nobody knows), the opening."""
        said = self._vehicle.value(vss.LOCKING_SOURCE)
        for path, opening in tuple(self._openings.items()):
            if now >= opening.until:
                del self._openings[path]
                yield path, _at_last(said, opening), opening
            elif said is not None and self._is_of_it(said, opening):
                del self._openings[path]
                yield path, said, opening

    def _is_of_it(self, said: Value, opening: Opening) -> bool:
        settled_at = opening.at + SETTLED_S
        return (
            opening.is_said_with_it
            or said != opening.before
            or self._vehicle.since(vss.LOCKING_SOURCE, settled_at) is not None
        )


def _at_last(said: Value, opening: Opening) -> Value:
    """Return what moved a lock if nothing else shows it; what is said now, for the first time, is of something else."""
    if said is None:
        return opening.source
    return said if said == opening.before else None
