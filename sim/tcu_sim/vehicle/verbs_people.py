"""Commands for what people do at the vehicle, and for where it is."""

from __future__ import annotations

from functools import partial

from tcu_sim.control.words import WordReader
from tcu_sim.vehicle.commands import Command, Do, Verb
from tcu_sim.vehicle.motion import Position
from tcu_sim.vehicle.person import PRESS_S, Person
from tcu_sim.vehicle.reference import Door, LockSource
from tcu_sim.vehicle.runner import Act
from tcu_sim.vehicle.satellites import Fix
from tcu_sim.vehicle.vehicle import Vehicle

DOORS = [door.value for door in Door]
SOURCES = {"key": LockSource.KEY, "inside": LockSource.INSIDE_BUTTON}
FIXES = {"lost": Fix.LOST, "flat": Fix.FLAT, "fix": Fix.FULL}
LONGEST_S = 30 * 24 * 3600.0
"""Longest time that a command can take: the car's own sleep takes 22 days."""


def read_door(reader: WordReader) -> Door:
    """Take one of the five openings.

    Raises:
        CommandError: no door stands here.
    """
    return Door(reader.choice("door", DOORS))


def read_seconds(reader: WordReader, *, default: float) -> float:
    """Take a time, or the default where the line ends.

    Raises:
        CommandError: no time stands here.
    """
    return reader.optional_number("time in seconds", least=0, most=LONGEST_S, default=default)


def _press(reader: WordReader) -> Command:
    button = reader.choice("button", ["on-call", "plate"])
    return _press_plate(reader) if button == "plate" else _press_on_call(reader)


def _press_plate(reader: WordReader) -> Command:
    seconds = read_seconds(reader, default=PRESS_S)
    return Do(lambda vehicle, now: Person(vehicle).press_plate(seconds, now=now))


def _press_on_call(reader: WordReader) -> Command:
    seconds = read_seconds(reader, default=PRESS_S)
    return Do(lambda vehicle, now: Person(vehicle).press_on_call(seconds, now=now))


def _bounce(reader: WordReader) -> Command:
    reader.keyword("on-call")
    bounces = int(reader.optional_number("number of bounces", least=1, most=50, default=6))
    seconds = read_seconds(reader, default=PRESS_S)
    return Do(lambda vehicle, now: Person(vehicle).press_on_call(seconds, bounces=bounces, now=now))


def _set_on_call(state: str, reader: WordReader) -> Command:
    reader.keyword("on-call")
    return Do(lambda vehicle, now: Person(vehicle).set_on_call(state, now=now))


def _open(reader: WordReader) -> Command:
    door, by_force = read_door(reader), False
    if not reader.is_at_end:
        reader.keyword("by")
        reader.keyword("force")
        by_force = True
    return Do(lambda vehicle, now: Person(vehicle).open_door(door, by_force=by_force, now=now))


def _close(reader: WordReader) -> Command:
    door = read_door(reader)
    return Do(lambda vehicle, now: Person(vehicle).close_door(door, now=now))


def _source(reader: WordReader) -> LockSource:
    return LockSource.KEY if reader.is_at_end else SOURCES[reader.choice("way", SOURCES)]


def _lock(reader: WordReader) -> Command:
    source = _source(reader)
    return Do(lambda vehicle, now: Person(vehicle).lock(source, now=now))


def _unlock(reader: WordReader) -> Command:
    source = _source(reader)
    return Do(lambda vehicle, now: Person(vehicle).unlock(source, now=now))


def _drive(reader: WordReader) -> Command:
    speed_kmh = reader.number("speed in km/h", least=1, most=250)
    for_s = None
    if not reader.is_at_end:
        reader.keyword("for")
        for_s = reader.number("time in seconds", least=0, most=LONGEST_S)
    return Do(lambda vehicle, now: Person(vehicle).drive(speed_kmh, for_s=for_s, now=now))


def _ignition(reader: WordReader) -> Command:
    to = reader.choice("position of the ignition", ["off", "convenience", "active"])
    return Do(lambda vehicle, now: Person(vehicle).switch(to, now=now))


def _simple(act: Act, reader: WordReader) -> Command:
    del reader  # it has no words; the caller sees to it that none follows
    return Do(act)


def _gnss(reader: WordReader) -> Command:
    match reader.choice("what about GNSS", [*FIXES, "nothing", "at", "follow"]):
        case "nothing":
            return Do(lambda vehicle, _: vehicle.satellites.forget())
        case "at":
            place = _position(reader)
            return Do(lambda vehicle, _: vehicle.motion.place(place))
        case "follow":
            waypoints = [_position(reader)]
            while not reader.is_at_end:
                waypoints.append(_position(reader))
            return Do(lambda vehicle, _: vehicle.motion.follow(waypoints))
        case word:
            fix = FIXES[word]
            return Do(lambda vehicle, now: vehicle.satellites.set_fix(fix, now=now))


def _position(reader: WordReader) -> Position:
    latitude_deg = reader.number("latitude", least=-89, most=89)
    return Position(latitude_deg, reader.number("longitude", least=-180, most=180))


def _enter(vehicle: Vehicle, now: float) -> None:
    Person(vehicle).enter(now=now)


def _leave(vehicle: Vehicle, now: float) -> None:
    Person(vehicle).leave(now=now)


def _park(vehicle: Vehicle, now: float) -> None:
    Person(vehicle).park(now=now)


def _stop(vehicle: Vehicle, now: float) -> None:
    Person(vehicle).stop(now=now)


VERBS = {
    "press": Verb("press on-call|plate [SECONDS]", "press a button and let it go", _press),
    "plate": Verb("plate [SECONDS]", "press the tailgate's plate", _press_plate),
    "bounce": Verb(
        "bounce on-call [COUNT] [SECONDS]", "press ON CALL with bouncing contacts", _bounce
    ),
    "hold": Verb(
        "hold on-call",
        "press ON CALL and do not let go: a stuck button",
        partial(_set_on_call, "Pressed"),
    ),
    "release": Verb(
        "release on-call", "let ON CALL go; mends it too", partial(_set_on_call, "Released")
    ),
    "break": Verb("break on-call", "let the button report a fault", partial(_set_on_call, "Fault")),
    "open": Verb("open DOOR [by force]", "open an unlocked door, or any by force", _open),
    "close": Verb("close DOOR", "close a door", _close),
    "lock": Verb("lock [key|inside]", "lock with the key, or from inside", _lock),
    "unlock": Verb(
        "unlock [key|inside]", "unlock with the key (alarm off), or from inside", _unlock
    ),
    "enter": Verb("enter", "unlock with the key and get in", partial(_simple, _enter)),
    "leave": Verb(
        "leave", "switch off, get out, close all, lock with the key", partial(_simple, _leave)
    ),
    "drive": Verb("drive KMH [for SECONDS]", "get in if need be, and drive", _drive),
    "stop": Verb("stop", "brake to a stop, ignition on", partial(_simple, _stop)),
    "park": Verb("park", "brake to a stop, ignition off, still inside", partial(_simple, _park)),
    "ignition": Verb("ignition off|convenience|active", "turn the ignition", _ignition),
    "gnss": Verb(
        "gnss fix|flat|lost|nothing | at LAT LON | follow LAT LON [LAT LON]...",
        "3D fix, 2D fix, none (the last position ages), no position; place the car; give it a road",
        _gnss,
    ),
}
