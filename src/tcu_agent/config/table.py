"""Reads one TOML table strictly: every key is asked for by kind and range, and what nobody asked for is an error.

All problems of a file are gathered, so that a person mends them in one go. A reader that found a problem returns a
harmless stand-in; whoever reads a file looks at `problems` before using anything.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from tcu_agent.config import toml_file
from tcu_agent.errors import ConfigError

T = TypeVar("T")


class _Required:
    """Stands for "no default"."""


REQUIRED: Final = _Required()


@dataclass(slots=True)
class Findings:
    """What came up while a file was read: problems, and every key that somebody asked for."""

    file: Path
    problems: list[ConfigError] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _added: set[tuple[str, str]] = field(default_factory=set)

    def add(self, key: str, what: str, hint: str = "") -> None:
        """Note one problem; one that was noted already, by another who read the key, is not said again."""
        where = f"{self.file}: {key}" if key else str(self.file)
        if (where, what) in self._added:
            return
        self._added.add((where, what))
        self.problems.append(ConfigError(what, where=where, hint=hint))

    def are_clean(self, *keys: str) -> bool:
        """Whether no problem is in one of these keys, below it, or in all of a table that it stands in."""
        return not any(
            _is_within(problem.where, f"{self.file}: {key}")
            for key in keys
            for problem in self.problems
        )


class Table:
    """One table of the file. `key`: its dotted name, "" for the file itself."""

    def __init__(self, content: Mapping[str, object], *, key: str, findings: Findings) -> None:
        self._content = content
        self._key = key
        self._findings = findings
        self._known: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._content

    @property
    def key(self) -> str:
        """The table's dotted name."""
        return self._key

    def problem(self, name: str, what: str, hint: str = "") -> None:
        """Note a problem of one of this table's keys."""
        self._findings.add(self._dotted(name), what, hint)

    def text(
        self,
        name: str,
        default: str | _Required = REQUIRED,
        *,
        pattern: str = ".+",
        choices: Collection[str] = (),
    ) -> str:
        """Return a string that matches `pattern` and is one of `choices`, if any are given."""
        value = self._take(name, default, str, "a text")
        if not self._has(name, str):
            return value
        if "\0" in value:
            self.problem(name, "has a NUL character in it")
            return value.replace("\0", "")
        if not value:
            self.problem(name, "is empty")
        elif not re.fullmatch(pattern, value):
            self.problem(name, f"{value!r} does not match {pattern}")
        elif choices and value not in choices:
            self.problem(name, f"{value!r} is none of {_list(choices)}", _close(value, choices))
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string, or None where there is none."""
        return self.text(name) if self._ask(name) and self._is(name, str, "a text") else None

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        return self._take(name, default, bool, "true or false")

    def integer(
        self, name: str, default: int | _Required = REQUIRED, *, low: int, high: int
    ) -> int:
        """Return a whole number within `low`..`high`."""
        value = self._take(name, default, int, "a whole number")
        if self._has(name, int) and not low <= value <= high:
            self.problem(name, f"{value} is not in {low}..{high}")
        return value

    def optional_integer(self, name: str, *, low: int, high: int) -> int | None:
        """Return a whole number within `low`..`high`, or None where there is none."""
        is_there = self._ask(name) and self._is(name, int, "a whole number")
        return self.integer(name, low=low, high=high) if is_there else None

    def number(self, name: str, default: float) -> float:
        """Return a number; whole ones may be written without a point."""
        if self._ask(name) and type(self._content[name]) is int:
            return float(self._take(name, 0, int, "a number"))
        return self._take(name, default, float, "a number")

    def texts(
        self, name: str, default: tuple[str, ...], *, choices: Collection[str]
    ) -> tuple[str, ...]:
        """Return a list of strings, each one of `choices`."""
        values = self._take(name, list(default), list, "a list of texts")
        for value in values:
            if not isinstance(value, str) or value not in choices:
                self.problem(name, f"{value!r} is none of {_list(choices)}", _close(value, choices))
        return tuple(value for value in values if isinstance(value, str))

    def words(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of any strings."""
        values = self._take(name, list(default), list, "a list of texts")
        for value in values:
            if not isinstance(value, str):
                self.problem(name, f"{value!r} is no text")
        return tuple(value for value in values if isinstance(value, str))

    def path(self, name: str, default: str | _Required = REQUIRED) -> Path:
        """Return a path; relative ones are relative to the file."""
        return _tidy(self._findings.file.parent / self.text(name, default))

    def optional_path(self, name: str) -> Path | None:
        """Return a path, or None where there is none."""
        return self.path(name) if self._ask(name) and self._is(name, str, "a text") else None

    def table(self, name: str) -> Table:
        """Return a table below this one; a missing one is empty."""
        content = self._take(name, {}, dict, "a table")
        return Table(content, key=self._dotted(name), findings=self._findings)

    def tables(self, name: str) -> dict[str, Table]:
        """Return the tables below a table whose keys a person chooses."""
        below = self.table(name)
        return {each: below.table(each) for each in below.names()}

    def array(self, name: str) -> list[Table]:
        """Return an array of tables, ``[[name]]``."""
        entries = self._take(name, [], list, "an array of tables")
        if not all(isinstance(entry, dict) for entry in entries):
            self.problem(name, "must be an array of tables", f"write [[{name}]]")
            return []
        return [
            Table(entry, key=f"{self._dotted(name)}[{number}]", findings=self._findings)
            for number, entry in enumerate(entries, start=1)
        ]

    def names(self) -> tuple[str, ...]:
        """Return the keys that are there."""
        return tuple(self._content)

    def scalars(self) -> dict[str, str | int | float | bool]:
        """Return everything in this table as it is: plain values with names that we do not know."""
        kept: dict[str, str | int | float | bool] = {}
        for name, value in self._content.items():
            if isinstance(value, str | int | float | bool):
                kept[name] = value
            else:
                self.problem(name, "must be a text, a number, true or false")
        return kept

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for name in self._content:
            if name not in self._known:
                self.problem(name, "is no setting", _near(name, self._known))

    def _ask(self, name: str) -> bool:
        if name not in self._known:
            self._known.append(name)
            self._findings.asked.append(self._dotted(name))
        return name in self._content

    def _take(self, name: str, default: T | _Required, kind: type[T], called: str) -> T:
        if not self._ask(name):
            if not isinstance(default, _Required):
                return default
            self.problem(name, "is missing", f"must be {called}")
            return kind()
        value = self._content[name]
        # `type(...) is`: a bool is an int to isinstance.
        if type(value) is kind:
            return value
        self.problem(name, f"must be {called}, not {_kind(value)}")
        return kind() if isinstance(default, _Required) else default

    def _is(self, name: str, kind: type, called: str) -> bool:
        """Whether what is there is of this kind; else it is noted, and as good as not there."""
        if not self._has(name, kind):
            self.problem(name, f"must be {called}, not {_kind(self._content[name])}")
        return self._has(name, kind)

    def _has(self, name: str, kind: type) -> bool:
        return type(self._content.get(name)) is kind

    def _dotted(self, name: str) -> str:
        return f"{self._key}.{name}" if self._key else name


def read_toml(file: Path) -> dict[str, object]:
    """Return the content of a TOML file.

    Raises:
        ConfigError: not there, not readable, or no TOML (with the line).
    """
    try:
        text = toml_file.read_text(file)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except ValueError as error:
        raise ConfigError(str(error), where=str(file)) from error
    try:
        return toml_file.parse(text)
    except ValueError as error:
        raise ConfigError(f"is no TOML: {error}", where=str(file)) from error


def _is_within(place: str, key: str) -> bool:
    return place == key or place.startswith(f"{key}.") or key.startswith(f"{place}.")


def _tidy(path: Path) -> Path:
    """Return the path without detours, unless that would lead elsewhere (``..`` behind a symbolic link)."""
    tidy = Path(os.path.normpath(path))
    return tidy if tidy.resolve() == path.resolve() else path


def _near(name: object, known: Collection[str]) -> str:
    return _close(name, known) or f"known: {_list(known)}"


def _close(name: object, known: Collection[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _list(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


def _kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    return names.get(type(value), "a table" if isinstance(value, dict) else "a list")
