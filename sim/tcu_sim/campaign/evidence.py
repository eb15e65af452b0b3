"""What one lane of a campaign has seen: on the bus, at the broker, on the dead agent's disk. Times: CLOCK_BOOTTIME, s.

Nothing here asks an agent. What the judge holds against it stands in these values alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Call

Key = tuple[bytes, int]
"""Stream id and seq."""


@dataclass(slots=True, kw_only=True)
class Life:
    """One agent from start to kill. `wanted`: the named point it was to die at, None = a random moment."""

    number: int
    began_at: float
    wanted: str | None = None
    errand: str = ""
    ready_at: float | None = None
    died_at: float | None = None
    died_at_point: bool = False
    acknowledges: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """An unlock grant that the centre published in a life of the agent."""

    request_id: bytes
    at: float
    life: int


@dataclass(frozen=True, slots=True)
class Command:
    """A central locking command frame on the bus."""

    at: float
    is_unlock: bool


@dataclass(frozen=True, slots=True)
class Press:
    """An ON CALL press after which the lamp's frame showed that a call is asked for: the car has accepted it.

    `at`: of the first press since the lamp was last seen. `most`: how many presses there were since; an agent that died
    over one of them may have accepted that one as well.
    """

    at: float
    shown_at: float
    most: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """A right to positions: nothing after `until`."""

    case_id: bytes
    request_id: bytes
    at: float
    until: float
    most: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that lay in the outbox of a dead agent's disk."""

    payload: bytes
    life: int


@dataclass(slots=True)
class Evidence:
    """All of one lane."""

    lives: list[Life] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    trackings: list[Tracking] = field(default_factory=list)
    case_ends: dict[bytes, float] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    intents: dict[bytes, int] = field(default_factory=dict)
    """Request ids with an intent on a dead agent's disk, and in which life."""
    accepted: dict[Key, Accepted] = field(default_factory=dict)
    stored: dict[Key, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Payloads that the centre got under each number; exactly one, if all is well."""
    tombstones: list[int] = field(default_factory=list)
    results: dict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Payloads of results by request id."""
    outcomes: dict[bytes, m.Result] = field(default_factory=dict)
    nonces: dict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Challenges by request id."""
    versions: list[tuple[float, int, int]] = field(default_factory=list)
    """Account and trust versions that challenges have told, in their order, with the time."""
    calls: dict[bytes, list[Call]] = field(default_factory=lambda: defaultdict(list))
    """What the centre said about each incident."""
    places: dict[tuple[bytes, int], float | None] = field(default_factory=dict)
    """When the car stood where a sealed position says that it is; None = it says no place."""
    unreadable: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    """What a clean end has left on the disk that should not be there."""
    replays: int = 0
    frames: int = 0

    def life_at(self, at: float) -> Life | None:
        """Return the agent that lived (or had died last) at a time."""
        found = None
        for life in reversed(self.lives):
            if life.began_at <= at:
                found = life
                break
        return found
