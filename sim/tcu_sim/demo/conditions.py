"""Conditions on sightings: what a step waits for, or makes sure not to see. Only good signatures count."""

from __future__ import annotations

from collections.abc import Callable

from tcu_sim.demo.sightings import Condition, Sighting

CAR, OTHER_CAR = "demo-car", "other-car"
LOCKS = ("LockFrontLeft", "LockFrontRight", "LockRearLeft", "LockRearRight", "LockTailgate")
"""The reference database's names of the five lock motors' signals."""


def is_unlock(sighting: Sighting) -> bool:
    """Whether this is an unlock command frame."""
    return sighting.get("command") == "UnlockAll"


def is_lock(sighting: Sighting) -> bool:
    """Whether this is a lock command frame."""
    return sighting.get("command") == "LockAll"


def is_signal(name: str) -> Condition:
    """Whether this is a change of a CAN signal."""
    return lambda s: s.get("signal") == name


def signal_is(name: str, value: str) -> Condition:
    """Whether a CAN signal has become this."""
    return lambda s: s.get("signal") == name and s.get("value") == value


def from_car(what: str) -> Condition:
    """Whether this is a message of the demo's car of that type, with a good signature."""
    return lambda s: (
        s["what"] == what
        and s.get("way") == "up"
        and s.get("vehicle") == CAR
        and s.get("signature") == "good"
    )


def to_car(what: str) -> Condition:
    """Whether this is a message of the centre to the demo's car of that type, with a good signature."""
    return lambda s: (
        s["what"] == what
        and s.get("way") == "down"
        and s.get("vehicle") == CAR
        and s.get("signature") == "good"
    )


is_grant = to_car("grant")


def about(condition: Condition, request: str) -> Condition:
    """Whether this meets the condition and is about that request (hex)."""
    return both(condition, lambda s: s.get("request") == request)


def event(kind: str) -> Condition:
    """Whether this is a signed event of the demo's car of that kind."""
    is_event = from_car("event")
    return lambda s: is_event(s) and s.get("event") == kind


def both(one: Condition, other: Callable[[Sighting], object]) -> Condition:
    """Whether both hold."""
    return lambda s: one(s) and bool(other(s))
