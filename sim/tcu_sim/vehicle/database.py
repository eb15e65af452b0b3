"""The reference vehicle's messages, packed and unpacked with cantools from the one DBC that the agent ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import cantools
from cantools.database import Database as CanDatabase
from cantools.database import Message
from cantools.database.namedsignalvalue import NamedSignalValue
from cantools.errors import Error as CantoolsError

from tcu_sim.bus.frame import Frame
from tcu_sim.errors import BadInput

Signals = Mapping[str, int | float | str]
MOST_BUILT = 256
"""Frames that are kept: most of what a parked car says is what it said before."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One message of the DBC: its name and its signals, value table entries as their text."""

    name: str
    signals: Mapping[str, int | float | str]


class Database:
    """Message names in, frames out, and back. Cycle times are the DBC's."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` None = the DBC shipped with the agent.

        Raises:
            BadInput: the file cannot be read, or is no DBC.
        """
        self._messages = _load(path)
        self._last: tuple[Frame, Decoded | None] | None = None
        self._built: dict[tuple[object, ...], Frame] = {}

    def frame(self, name: str, signals: Signals) -> Frame:
        """Return the frame of a message of which every signal is given.

        Not strict about ranges: the raw values that mean "invalid" stand outside of them.

        Raises:
            BadInput: the DBC has no such message, or not these signals and values.
        """
        key = (name, *signals.items())
        if (known := self._built.get(key)) is None:
            if len(self._built) == MOST_BUILT:
                self._built.clear()
            known = self._built[key] = self._frame(name, signals)
        return known

    def _frame(self, name: str, signals: Signals) -> Frame:
        message = self._message(name)
        try:
            data = message.encode(dict(signals), strict=False)
        except (KeyError, CantoolsError) as error:
            raise BadInput(f"the DBC's {name} is not the reference vehicle's: {error}") from error
        return Frame(
            arbitration_id=message.frame_id, is_extended_id=message.is_extended_frame, data=data
        )

    def decoded(self, frame: Frame) -> Decoded | None:
        """Return the message, or None for an unknown identifier or a wrong length.

        Every ECU asks for the same frame in turn, so the last answer is kept.
        """
        if self._last is None or self._last[0] is not frame:
            self._last = (frame, self._decoded(frame))
        return self._last[1]

    def _decoded(self, frame: Frame) -> Decoded | None:
        if frame.remote_dlc is not None or frame.is_extended_id or frame.is_fd:
            return None
        try:
            message = self._messages.get_message_by_frame_id(frame.arbitration_id)
        except KeyError:
            return None
        if message.length != len(frame.data):
            return None
        signals = message.decode_simple(frame.data)
        return Decoded(message.name, {name: _plain(value) for name, value in signals.items()})

    def cycle_s(self, name: str) -> float | None:
        """Return the cycle time in seconds; None for a message that is sent on an event only."""
        cycle_ms = self._message(name).cycle_time
        return cycle_ms / 1000 if cycle_ms else None

    def arbitration_id(self, name: str) -> int:
        """Return the identifier of a message."""
        return self._message(name).frame_id

    def _message(self, name: str) -> Message:
        try:
            return self._messages.get_message_by_name(name)
        except KeyError as error:
            raise BadInput(
                f"the DBC has no message {name}: it is not the reference vehicle's"
            ) from error


def _load(path: Path | None) -> CanDatabase:
    try:
        if path is None:
            return _shipped()
        return _checked(cantools.database.load_file(path, database_format="dbc", strict=True))
    except (OSError, ValueError, CantoolsError) as error:
        raise BadInput(f"{path or 'reference.dbc'}: cannot be loaded: {error}") from error


@cache
def _shipped() -> CanDatabase:
    """Read once: a simulation builds thousands of vehicles."""
    with as_file(files("tcu_agent") / "dbc" / "reference.dbc") as shipped:
        return _checked(cantools.database.load_file(shipped, database_format="dbc", strict=True))


def _checked(loaded: object) -> CanDatabase:
    if not isinstance(loaded, CanDatabase):
        raise BadInput("the database is no CAN database")
    return loaded


def _plain(value: object) -> int | float | str:
    if isinstance(value, NamedSignalValue):
        return value.name
    if isinstance(value, int | float | str):
        return value
    raise TypeError(f"cantools decoded a {type(value).__name__}")
