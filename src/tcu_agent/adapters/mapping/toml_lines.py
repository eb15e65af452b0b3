"""Finds the line of a key in a TOML text, since `tomllib` does not keep it. For messages to people only."""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[{1,2})([^\[\]]+)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def index_lines(text: str) -> dict[Path, int]:
    """Return the first line (from 1) of each header and key; tables of an array have their index in the path."""
    found: dict[Path, int] = {}
    for path, line in _places(text):
        found.setdefault(path, line)
    return found


def line_of(found: dict[Path, int], path: Path) -> int | None:
    """Return the line of `path`, else that of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if (line := found.get(path[:length])) is not None:
            return line
    return None


def show_path(path: Path) -> str:
    """Return a path as people write it, such as ``signal[3].message``."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown


def _places(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_parts(key[1])), number


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
