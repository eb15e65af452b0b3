"""TOML as people write it, in bounded memory and time: `tomllib` alone takes anything of any size.

It follows nested arrays until Python's stack ends, reads integers that cannot be printed any more, and takes time that
grows with the square of a dotted key's parts. A configuration or mapping needs none of that.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

FILE_LIMIT: Final = 262_144
"""Bytes of one file. A mapping of every signal of a real car has about a tenth of it."""
MOST_DOTS: Final = 64
"""In one line that is no comment; a path such as Vehicle.Cabin.Door.Row1.DriverSide.IsLocked has five."""
MAX_DEPTH: Final = 16
"""Levels of tables and arrays; the deepest setting stands on the fifth."""
INTEGERS: Final = range(-(2**63), 2**63)
"""What TOML promises. Source: TOML 1.0.0, "Integer"."""


def read_text(file: Path) -> str:
    """Return the text of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: too large, or no UTF-8; says so in words that go behind the file's name.
    """
    with file.open("rb") as stream:
        content = stream.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise ValueError(f"is too large: more than {FILE_LIMIT} bytes")
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from None


def parse(text: str) -> dict[str, object]:
    """Return what a TOML text says.

    Raises:
        ValueError: no TOML, or outside the limits above; says where.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if line.count(".") > MOST_DOTS and not line.lstrip().startswith("#"):
            raise ValueError(f"more than {MOST_DOTS} dots (at line {number})")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"more than {MAX_DEPTH} levels of tables and arrays") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        # The interpreter's own limit on the digits of a number.
        raise ValueError("an integer that does not fit into 64 bits") from None
    _check(content)
    return content


def _check(content: object) -> None:
    level = [content]
    for _ in range(MAX_DEPTH):
        if any(type(each) is int and each not in INTEGERS for each in level):
            raise ValueError("an integer that does not fit into 64 bits")
        level = [item for each in level for item in _items(each)]
        if not level:
            return
    raise ValueError(f"more than {MAX_DEPTH} levels of tables and arrays")


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
