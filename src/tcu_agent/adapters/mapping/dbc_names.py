"""Looks names up in a DBC: messages, signals, and the raw values behind named choices; encodes raw values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import cantools
from cantools.database.can import Database
from cantools.database.can import Message as DbcMessage
from cantools.database.can import Signal as DbcSignal

from tcu_agent.adapters.mapping.toml_table import Table, near_miss
from tcu_agent.errors import MappingError

_ENDINGS = (".dbc", ".kcd", ".sym", ".arxml", ".cdd")
"""What cantools knows a CAN database by."""
LARGEST = 16_777_216
"""Bytes of a database; those of whole cars have one to five million."""
_STRICT_WORDS = ("overlapping", "does not fit")
"""Of what cantools says when only its strictness is in the way."""


def load_database(file: Path, *, strict: bool = True) -> Database:
    """Load a DBC (or another format that cantools knows).

    Raises:
        MappingError: it does not exist, cannot be read, or is no CAN database.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise MappingError(f"is larger than {LARGEST} bytes", where=str(file))
        database = cantools.database.load_file(str(file), strict=strict)
    except OSError as error:
        raise MappingError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
    except MappingError:
        raise
    except Exception as error:  # cantools raises whatever its parsers meet
        raise _unloadable(file, error, strict=strict) from error
    if not isinstance(database, Database):
        raise MappingError("is a diagnostics database, not a CAN database", where=str(file))
    return database


def _unloadable(file: Path, error: Exception, *, strict: bool) -> MappingError:
    if file.suffix.lower() not in _ENDINGS:
        what = f"is no DBC: its name ends in {file.suffix or 'nothing'!r}"
        return MappingError(what, where=str(file), hint=f"known: {', '.join(_ENDINGS)}")
    said = _one_line(error)
    is_strictness = strict and any(word in said for word in _STRICT_WORDS)
    return MappingError(
        f"is no database that cantools can load: {said}",
        where=str(file),
        hint="`strict = false` in the bus's table loads it all the same" if is_strictness else "",
    )


def find_message(database: Database, table: Table, key: str, name: str) -> DbcMessage | None:
    """Return the message `name` that stands at `key`; an unknown one is noted."""
    known = {message.name: message for message in database.messages}
    if name and name not in known:
        table.problem(key, f"message {name!r} is not in the DBC", near_miss(name, known))
    return known.get(name)


def find_signal(message: DbcMessage | None, table: Table, key: str, name: str) -> DbcSignal | None:
    """Return the signal `name` of a message; an unknown one is noted."""
    if message is None or not name:
        return None
    known = {signal.name: signal for signal in message.signals}
    if name not in known:
        table.problem(
            key, f"message {message.name!r} has no signal {name!r}", near_miss(name, known)
        )
    return known.get(name)


def raw_values(signal: DbcSignal | None, table: Table, key: str, choice: object) -> tuple[int, ...]:
    """Return the raw values that a choice's name or a number stands for; a wrong one is noted."""
    if signal is None:
        return ()
    names = {raw: str(name) for raw, name in (signal.choices or {}).items()}
    if isinstance(choice, str):
        found = tuple(raw for raw, name in names.items() if name == choice)
        if found:
            return found
    number = _number(choice)
    if number is None:
        table.problem(
            key, f"signal {signal.name!r} has no value {choice!r}", _choices(choice, names.values())
        )
        return ()
    low, high = raw_range(signal)
    if not low <= number <= high:
        table.problem(
            key, f"raw value {number} does not fit into signal {signal.name!r} ({low} to {high})"
        )
        return ()
    return (number,)


def raw_range(signal: DbcSignal) -> tuple[int, int]:
    """Return the smallest and the largest raw value that the bits of a signal can hold."""
    if signal.is_signed:
        return -(1 << signal.length - 1), (1 << signal.length - 1) - 1
    return 0, (1 << signal.length) - 1


def encode_raw(message: DbcMessage, raws: Mapping[str, int]) -> bytes:
    """Return the bytes of a message from raw values; signals that are not named get their initial value, or 0."""
    values = {signal.name: signal.raw_initial or 0 for signal in message.signals}
    return message.encode(values | dict(raws), scaling=False, strict=False)


def _number(choice: object) -> int | None:
    if type(choice) is int:
        return choice
    try:
        return int(choice, 0) if isinstance(choice, str) else None
    except ValueError:
        return None


def _choices(choice: object, names: Iterable[str]) -> str:
    return (
        near_miss(str(choice), names)
        or f"the DBC names {', '.join(names) or 'none: write the raw number'}"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
