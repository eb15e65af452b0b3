"""Reads a parsed TOML table key by key, and keeps every mistake instead of stopping at the first.

A key that is missing or wrong is noted in `Problems` and a harmless value comes back, so that the reader can go on
and report all mistakes of a file at once. The caller must not use the result unless `Problems.found` is empty.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping

from tcu_agent.adapters.mapping.toml_lines import Path, line_of, show_path
from tcu_agent.errors import MappingError


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the most similar known words, or an empty text."""
    similar = difflib.get_close_matches(word, list(known), n=3, cutoff=0.55)
    return f"did you mean {' or '.join(repr(one) for one in similar)}?" if similar else ""


class Problems:
    """The mistakes found in one file so far."""

    def __init__(self, file: str, lines: dict[Path, int]) -> None:
        self.file = file
        self.found: list[tuple[str, str, str]] = []
        self._lines = lines

    def add(self, path: Path, what: str, hint: str = "") -> None:
        """Note one mistake at a key."""
        line = line_of(self._lines, path)
        where = f"line {line}, {show_path(path)}" if line else show_path(path) or "file"
        self.found.append((where, what, hint))

    def raise_if_any(self) -> None:
        """Report all mistakes together.

        Raises:
            MappingError: there is at least one.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            where, what, hint = self.found[0]
            raise MappingError(what, where=f"{self.file}, {where}", hint=hint)
        listed = [
            f"\n  {where}: {what}" + (f" ({hint})" if hint else "")
            for where, what, hint in self.found
        ]
        raise MappingError(f"{len(listed)} mistakes{''.join(listed)}", where=self.file)


class Table:
    """One table of the file, its path, and which of its keys were asked for."""

    def __init__(self, data: Mapping[str, object], path: Path, problems: Problems) -> None:
        self.path = path
        self._data = data
        self._problems = problems
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        """All keys, as they stand in the file."""
        return iter(self._data)

    def problem(self, key: str, what: str, hint: str = "") -> None:
        """Note a mistake at one key of this table."""
        self._problems.add((*self.path, key), what, hint)

    def take(self, key: str) -> object | None:
        """Return what stands at a key, whatever it is, or None."""
        self._known.add(key)
        return self._data.get(key)

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a non-empty text; without `default` it is required."""
        value = self._required(key, default)
        if isinstance(value, str) and "\0" in value:
            self.problem(key, "has a NUL character in it")
            return value.replace("\0", "")
        if isinstance(value, str) and value:
            return value
        if value is not None:
            self.problem(key, f"must be a text, not {_kind(value)}")
        return default or ""

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._required(key, default)
        if isinstance(value, bool):
            return value
        self.problem(key, f"must be true or false, not {_kind(value)}")
        return default

    def integer(self, key: str, minimum: int, maximum: int, *, default: int | None = None) -> int:
        """Return a whole number within the limits; without `default` it is required."""
        value = self._required(key, default)
        if type(value) is int and minimum <= value <= maximum:
            return value
        if value is not None:
            self.problem(
                key, f"must be a whole number from {minimum} to {maximum}, not {_kind(value)}"
            )
        return default if default is not None else minimum

    def number(self, key: str, *, default: float) -> float:
        """Return a finite number."""
        value = self._required(key, default)
        if type(value) in {int, float} and math.isfinite(value):  # type: ignore[arg-type]  # narrowed by type()
            return float(value)  # type: ignore[arg-type]  # the same
        self.problem(key, f"must be a number, not {_kind(value)}")
        return default

    def items(self, key: str) -> list[object]:
        """Return a list, empty when the key is missing."""
        value = self.take(key)
        if value is None or isinstance(value, list):
            return value or []
        self.problem(key, f"must be a list, not {_kind(value)}")
        return []

    def table(self, key: str) -> Table | None:
        """Return a table below this one, or None when the key is missing."""
        value = self.take(key)
        if isinstance(value, dict):
            return Table(value, (*self.path, key), self._problems)
        if value is not None:
            self.problem(key, f"must be a table, not {_kind(value)}")
        return None

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """Yield the named tables below a key, such as each bus."""
        below = self.table(key)
        if below is None:
            return
        for name in below:
            if one := below.table(name):
                yield name, one

    def array(self, key: str) -> Iterator[Table]:
        """Yield the tables of an array such as ``[[signal]]``."""
        for index, value in enumerate(self.items(key)):
            if isinstance(value, dict):
                yield Table(value, (*self.path, key, index), self._problems)
            else:
                self._problems.add((*self.path, key, index), f"must be a table, not {_kind(value)}")

    def close(self) -> None:
        """Refuse keys that nobody asked for: a misspelt one would else be without effect."""
        for key in self._data:
            if key not in self._known:
                self.problem(key, f"unknown key {key!r}", near_miss(key, self._known))

    def _required(self, key: str, default: object | None) -> object | None:
        value = self.take(key)
        if value is None and default is None:
            self.problem(key, f"key {key!r} is missing")
        return default if value is None else value


def _kind(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"the text {value!r}"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return str(value)
