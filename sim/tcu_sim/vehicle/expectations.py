"""The command `expect`: what can be looked for at the vehicle, and how it is told when it is not so."""

from __future__ import annotations

from collections.abc import Callable

from tcu_sim.control.words import WordReader
from tcu_sim.vehicle.alarm import AlarmState
from tcu_sim.vehicle.commands import Command, Expect, Verb
from tcu_sim.vehicle.reference import LockPosition, UsageMode
from tcu_sim.vehicle.vehicle import Vehicle
from tcu_sim.vehicle.verbs_people import LONGEST_S, read_door

Aspect = tuple[Callable[[Vehicle], str], list[str]]
"""What is seen, in the words of the language, and which words there are."""

POSITIONS = [position.value.lower() for position in LockPosition]
SIMPLE: dict[str, Aspect] = {
    "lamp": (lambda vehicle: vehicle.on_call.lamp.lower(), ["off", "pulsing", "on", "error"]),
    "call": (
        lambda vehicle: vehicle.on_call.call_state.lower(),
        ["idle", "requested", "ringing", "connected", "ended", "failed"],
    ),
    "alarm": (
        lambda vehicle: vehicle.bcm.alarm.state.value.lower(),
        [state.value.lower() for state in AlarmState],
    ),
    "usage": (
        lambda vehicle: vehicle.bcm.usage_mode.value.lower(),
        [mode.value.lower() for mode in UsageMode],
    ),
    "bus": (lambda vehicle: "asleep" if vehicle.is_asleep else "awake", ["asleep", "awake"]),
    "response": (
        lambda vehicle: vehicle.bcm.locking.response.state.lower(),
        ["idle", "busy", "done", "refused", "authenticationfailed", "invalid"],
    ),
}


def _locks(vehicle: Vehicle) -> str:
    """One word when all agree, else each lock."""
    positions = {position.value.lower() for position in vehicle.locks.values()}
    if len(positions) == 1:
        return positions.pop()
    return ", ".join(
        f"{door.value} {position.value.lower()}" for door, position in vehicle.locks.items()
    )


def _aspect(reader: WordReader) -> Aspect:
    match reader.choice("what to expect", ["locks", "lock", "door", *SIMPLE]):
        case "locks":
            return _locks, POSITIONS
        case "lock":
            lock = read_door(reader)
            return lambda vehicle: vehicle.locks[lock].value.lower(), POSITIONS
        case "door":
            door = read_door(reader)
            return lambda vehicle: "open" if vehicle.doors[door] else "closed", ["open", "closed"]
        case word:
            return SIMPLE[word]


def _expect(reader: WordReader) -> Command:
    seen, choices = _aspect(reader)
    wanted = reader.choice("state", choices)
    within_s = 0.0
    if not reader.is_at_end:
        reader.keyword("within")
        within_s = reader.number("time in seconds", least=0, most=LONGEST_S)
    return Expect(
        text=wanted, predicate=lambda vehicle: seen(vehicle) == wanted, seen=seen, within_s=within_s
    )


VERBS = {
    "expect": Verb(
        "expect locks|lock DOOR|door DOOR|lamp|call|alarm|usage|bus|response STATE [within SECONDS]",
        "fail unless it is so, or becomes so within the time (default 0); the truth, not what CAN says",
        _expect,
    ),
}
