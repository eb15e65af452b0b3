"""How a message class says what its fields are on the wire, and what reads and writes them by it.

A message is a frozen dataclass whose fields are made with `at(key, kind)`; `pack` and `unpack` turn
it into the integer-keyed map of docs/protocol.cddl and back. A kind knows one CDDL type in both
directions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import IntEnum
from typing import Any, TypeVar

from tcu_sim.wire.errors import WireError

UINT32 = 2**32 - 1
UINT53 = 2**53 - 1
T = TypeVar("T")
Wire = Mapping[object, object]


@dataclass(frozen=True, slots=True)
class Kind:
    """One CDDL type.

    `read(value, whole map)` raises WireError; `write` is given only what `read` returns.
    """

    read: Callable[[object, Wire], Any]
    write: Callable[[Any], object] = lambda value: value


def uint(highest: int, lowest: int = 0) -> Kind:
    """An integer in lowest..highest (may be negative); bool is none."""

    def read(value: object, _: Wire) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise WireError(f"no integer in {lowest}..{highest}")
        return int(value)

    return Kind(read, int)


def octets(shortest: int, longest: int | None = None) -> Kind:
    """A byte string of that length."""
    limit = shortest if longest is None else longest

    def read(value: object, _: Wire) -> bytes:
        if type(value) is not bytes or not shortest <= len(value) <= limit:
            raise WireError(f"no byte string of {shortest}..{limit} bytes")
        return value

    return Kind(read)


def text(pattern: str) -> Kind:
    """A text string that matches as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def read(value: object, _: Wire) -> str:
        if type(value) is not str or compiled.fullmatch(value) is None:
            raise WireError("no text of the form asked for")
        return value

    return Kind(read)


def one_of(words: type[IntEnum]) -> Kind:
    """A number of an enumeration."""

    def read(value: object, _: Wire) -> IntEnum:
        try:
            if type(value) is int or isinstance(value, words):
                return words(value)
        except ValueError:
            pass
        raise WireError(f"no {words.__name__}")

    return Kind(read, int)


def _read_flag(value: object, _: Wire) -> bool:
    if type(value) is not bool:
        raise WireError("neither true nor false")
    return value


FLAG = Kind(_read_flag)


def listing(kind: Kind, longest: int, shortest: int = 0) -> Kind:
    """An array of one kind."""

    def read(value: object, whole: Wire) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not shortest <= len(value) <= longest:
            raise WireError(f"no array of {shortest}..{longest}")
        return tuple(kind.read(item, whole) for item in value)

    return Kind(read, lambda items: [kind.write(item) for item in items])


def mapping(key: Kind, kind: Kind) -> Kind:
    """A map whose keys and values are data."""

    def read(value: object, whole: Wire) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise WireError("no map")
        return {key.read(k, whole): kind.read(v, whole) for k, v in value.items()}

    return Kind(read, lambda pairs: {key.write(k): kind.write(v) for k, v in pairs.items()})


def at(key: int, kind: Kind, *, optional: bool = False) -> Any:
    """Declare a dataclass field that stands under `key`; an optional one is None when absent."""
    return field(default=None if optional else MISSING, metadata={"key": key, "kind": kind})


def pack(message: object) -> dict[int, object]:
    """Return the wire map of a message.

    Raises:
        WireError: a field is outside its type.
    """
    raw: dict[int, object] = {}
    for slot in fields(message):  # type: ignore[arg-type]  # every message is a dataclass
        value = getattr(message, slot.name)
        if value is not None:
            raw[slot.metadata["key"]] = slot.metadata["kind"].write(value)
    unpack(type(message), raw)
    return raw


def unpack(cls: type[T], raw: object) -> T:
    """Return the message that a wire map holds.

    Raises:
        WireError: no map, a key missing or unknown, or a field outside its type.
    """
    if not isinstance(raw, Mapping):
        raise WireError(f"{cls.__name__}: no map")
    values: dict[str, Any] = {}
    known: set[object] = set()
    for slot in fields(cls):  # type: ignore[arg-type]  # every message is a dataclass
        key = slot.metadata["key"]
        known.add(key)
        if key in raw:
            values[slot.name] = _read(cls.__name__, slot.name, slot.metadata["kind"], raw[key], raw)
        elif slot.default is MISSING:
            raise WireError(f"{cls.__name__}: {slot.name} is missing")
    if any(key not in known or type(key) is not int for key in raw):
        raise WireError(f"{cls.__name__}: a key that is not in the specification")
    return cls(**values)


def _read(name: str, slot: str, kind: Kind, value: object, raw: Wire) -> Any:
    try:
        return kind.read(value, raw)
    except WireError as error:
        raise WireError(f"{name}.{slot}: {error}") from error
