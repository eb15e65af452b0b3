"""How a table of fields reads a message: one kind of value each, every complaint naming the field.

Reading is where everything is checked. Writing has no rules of its own: what was written is read
again, and must come out equal (`codec.encode`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from tcu_agent.errors import MalformedError
from tcu_agent.protocol.cbor import CborValue
from tcu_agent.protocol.messages import Common

M = TypeVar("M")
MAX_INT = 2**64  # CBOR's own range is -2^64..2^64-1; what the walk lets through
_COMMON = ("vehicle_id", "service", "request_id", "nonce", "boot_id")
_common: Callable[..., Common] = Common  # the kinds have checked the types


class Kind(Protocol):
    """One kind of value."""

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> object:
        """Return the value as the message has it; `earlier`: the fields read before this one.

        Raises:
            MalformedError: it is of another kind or out of its range; says so without the field's name.
        """
        ...


@dataclass(frozen=True, slots=True)
class Int:
    """An integer in `low..high`; neither true nor an enum's look-alike."""

    low: int = -MAX_INT
    high: int = MAX_INT - 1

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> int:  # noqa: ARG002 -- Kind's signature
        """See `Kind`."""
        if type(value) is not int:
            raise MalformedError("not an integer")
        if not self.low <= value <= self.high:
            raise MalformedError(f"not in {self.low}..{self.high}")
        return value


@dataclass(frozen=True, slots=True)
class Bytes:
    """A byte string of `low` bytes, or of `low..high`."""

    low: int
    high: int | None = None

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> bytes:  # noqa: ARG002 -- Kind's signature
        """See `Kind`."""
        if type(value) is not bytes:
            raise MalformedError("not a byte string")
        if not self.low <= len(value) <= (self.high or self.low):
            raise MalformedError(f"{len(value)} bytes, not {self.low}..{self.high or self.low}")
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """A text of `low..high` bytes of UTF-8, of these characters alone if `alphabet` is given.

    `never`: what it must not begin with, if given.
    """

    low: int
    high: int
    alphabet: frozenset[str] | None = None
    never: str | None = None

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> str:  # noqa: ARG002 -- Kind's signature
        """See `Kind`."""
        if type(value) is not str:
            raise MalformedError("not a text")
        if not self.low <= len(value.encode()) <= self.high:
            raise MalformedError(
                f"{len(value.encode())} bytes of text, not {self.low}..{self.high}"
            )
        if self.alphabet is not None and not self.alphabet.issuperset(value):
            raise MalformedError("a character that is not allowed")
        if self.never is not None and value.startswith(self.never):
            raise MalformedError(f"{self.never} has no place here")
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A member of an enumeration, by its number; `only` narrows it."""

    members: type[IntEnum]
    only: tuple[IntEnum, ...] = ()
    _allowed: Mapping[int, IntEnum] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note each allowed member by its number, once for all values to come."""
        allowed = {int(each): each for each in self.only or self.members}
        object.__setattr__(self, "_allowed", allowed)

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> IntEnum:  # noqa: ARG002 -- Kind's signature
        """See `Kind`."""
        if type(value) is not int:
            raise MalformedError("not an integer")
        member = self._allowed.get(value)
        if member is None:
            raise MalformedError(f"{value} is none of {', '.join(map(str, self._allowed))}")
        return member


@dataclass(frozen=True, slots=True)
class Bool:
    """True or false."""

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> bool:  # noqa: ARG002 -- Kind's signature
        """See `Kind`."""
        if type(value) is not bool:
            raise MalformedError("not true or false")
        return value


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Null, or what the kind for the value's own type takes."""

    kinds: Mapping[type, Kind]

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> object:
        """See `Kind`."""
        if value is None:
            return None
        if type(value) not in self.kinds:
            raise MalformedError("a value of a type that is not allowed here")
        return self.kinds[type(value)].read(value, earlier)


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array of `low..high` items, none twice; `is_sorted`: in ascending order."""

    item: Kind
    low: int
    high: int
    is_sorted: bool = False

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> tuple[object, ...]:
        """See `Kind`."""
        if type(value) is not list:
            raise MalformedError("not an array")
        if not self.low <= len(value) <= self.high:
            raise MalformedError(f"{len(value)} items, not {self.low}..{self.high}")
        if any(value.count(item) > 1 for item in value):
            raise MalformedError("an item twice")
        items = tuple(self.item.read(item, earlier) for item in value)
        if self.is_sorted and value != sorted(value, key=str):
            raise MalformedError("items out of order")
        return items


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map of any number of keys of one kind to values of another."""

    key: Kind
    value: Kind

    def read(self, value: CborValue, earlier: Mapping[str, object]) -> dict[object, object]:
        """See `Kind`."""
        if type(value) is not dict:
            raise MalformedError("not a map")
        return {
            self.key.read(key, earlier): self.value.read(item, earlier)
            for key, item in value.items()
        }


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: its map key, its attribute, its kind."""

    key: int
    name: str
    kind: Kind
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table(Generic[M]):
    """All fields of a message, in order of their keys, and a rule about several of them.

    `rule` returns a complaint, or None. With `has_common` the first five fields become `common`.
    """

    message: Callable[..., M]
    name: str
    fields: tuple[Field, ...]
    has_common: bool = False
    rule: Callable[[M], str | None] = field(default=lambda _: None)
    _keys: frozenset[CborValue] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note the keys, once for all messages to come."""
        object.__setattr__(self, "_keys", frozenset(each.key for each in self.fields))

    def read(self, value: CborValue, earlier: Mapping[str, object] | None = None) -> M:  # noqa: ARG002 -- Kind's signature
        """Return the message that the map `value` is. A table is a kind itself: tables nest.

        Raises:
            MalformedError: not exactly these fields, each within its range; names the field.
        """
        if type(value) is not dict:
            raise MalformedError(f"{self.name}: not a map")
        if not value.keys() <= self._keys:
            unknown = min(value.keys() - self._keys, key=str)
            raise MalformedError(f"{self.name}: unknown key {unknown!r}")
        found: dict[str, object] = {}
        for each in self.fields:
            self._read_field(each, value, found)
        if self.has_common:
            found["common"] = _common(**{name: found.pop(name) for name in _COMMON})
        message = self.message(**found)
        if complaint := self.rule(message):
            raise MalformedError(f"{self.name}.{complaint}")
        return message

    def _read_field(
        self, each: Field, value: Mapping[CborValue, CborValue], found: dict[str, object]
    ) -> None:
        if each.key not in value:
            if not each.optional:
                raise MalformedError(f"{self.name}.{each.name}: missing")
            return
        try:
            found[each.name] = each.kind.read(value[each.key], found)
        except MalformedError as error:
            raise MalformedError(f"{self.name}.{each.name}: {error}") from error

    def write(self, message: M, plain: Callable[[object], CborValue]) -> dict[CborValue, CborValue]:
        """Return the map of a message; fields that are None are left out."""
        pairs: dict[CborValue, CborValue] = {}
        for each in self.fields:
            grouped = self.has_common and each.name in _COMMON
            holder = attrgetter("common")(message) if grouped else message
            if (value := getattr(holder, each.name)) is not None:
                pairs[each.key] = plain(value)
        return pairs
