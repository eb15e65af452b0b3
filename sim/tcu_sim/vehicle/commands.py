"""What a line of the command language becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique

from tcu_sim.control.words import WordReader
from tcu_sim.vehicle.runner import Act, Predicate
from tcu_sim.vehicle.vehicle import Vehicle


@dataclass(frozen=True, slots=True)
class Do:
    """Something happens to the vehicle, at once."""

    act: Act


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Expect:
    """Something has to become true within a time. `seen` tells what it is instead."""

    text: str
    predicate: Predicate
    seen: Callable[[Vehicle], str]
    within_s: float


@unique
class Tell(Enum):
    """Something is asked for."""

    STATE = "state"
    HELP = "help"


Command = Do | Wait | Expect | Tell


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of the language: how it is written, what it does, and how its words are read."""

    usage: str
    summary: str
    read: Callable[[WordReader], Command]
