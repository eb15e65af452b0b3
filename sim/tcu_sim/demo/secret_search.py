"""Looking for PINs, keys and a place in whatever was written: text, JSON (by value), SQLite (by cell) and raw bytes.

A number in a database has no surroundings to tell by, and text in one stands wall to wall with the next column's: so
databases are opened and JSON is parsed, and only what is neither is searched as it lies.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tcu_sim.demo.place_search import stand_together
from tcu_sim.demo.planted_secrets import forms

HARMLESS = re.compile(
    rb"\d{4}-\d\d-\d\dT|\d\d:\d\d:\d\d(\.\d+)?|pid:? \d+"
    rb"|(\d+\.\d+\.\d+\.\d+|localhost|\[[0-9a-f:]+\]):\d+"
)
"""Numbers in text that may happen to look like a PIN: dates, clock times, process ids, and ports behind an address."""
HARMLESS_NAMES = frozenset({"bytes", "sealed_bytes", "pid", "port", "t"})
"""Names of numbers in JSON and databases that are lengths, process ids, ports and the observer's seconds."""
SMALLEST_NUMBER = 1000
"""A PIN that begins with 0 is looked for as text alone: as a number it looks like any counter."""
SAME_PLACE_DEG = 5e-4
SQLITE = b"SQLite format 3\0"
READ_TRIES = 5
"""A database that is written while it is copied may come out torn; it is copied again then."""

Named = tuple[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSearch:
    """What is looked for. `pins`: four digits each; `places`: degrees, north and east.

    `keys`: bytes of keys, tokens and passwords, looked for as they are, in hex and in base64.
    """

    pins: frozenset[str] = field(repr=False)
    places: tuple[tuple[float, float], ...] = ()
    keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def _patterns(self) -> list[bytes]:
        """What is found as it lies: keys, and places in encodings that hide their numbers."""
        degrees_e7 = [round(degrees * 1e7) for degrees in self._degrees]
        places = [b"\x1a" + each.to_bytes(4, "big") for each in degrees_e7 if each > 0]
        coded = [form for place in places for form in forms(place) if form not in places]
        return [form for key in self.keys for form in forms(key)] + coded

    @property
    def _degrees(self) -> list[float]:
        return [degrees for place in self.places for degrees in place]

    def finds_in_file(self, path: Path) -> bool:
        """Whether a file holds any of it; a database's log counts with its database.

        Raises:
            sqlite3.DatabaseError: it begins like a database and cannot be read as one.
        """
        content = path.read_bytes()
        if content.startswith(SQLITE) and any(map(self._is_in, cells(path))):
            return True
        return any(each in content for each in self._patterns) or self.finds_in(content)

    def finds_in(self, content: bytes) -> bool:
        """Whether some bytes hold any of it: JSON by its values, line by line, all else as it lies."""
        if self._is_raw_place(content):
            return True
        named = _json(content)
        if named is not None:
            return any(map(self._is_in, named))
        lines = content.split(b"\n")
        if len(lines) > 1:
            return any(map(self.finds_in, lines))
        return self._is_in_text(content)

    def _is_in(self, named: Named) -> bool:
        name, value = named
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogatepass")
        if isinstance(value, bytes):
            return self.finds_in(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or name in HARMLESS_NAMES:
            return False
        return self._is_pin(value) or any(
            abs(value - there) < SAME_PLACE_DEG or abs(value / 1e7 - there) < SAME_PLACE_DEG
            for there in self._degrees
        )

    def _is_pin(self, value: float) -> bool:
        return value in {float(pin) for pin in self.pins if int(pin) >= SMALLEST_NUMBER}

    def _is_in_text(self, text: bytes) -> bool:
        rest = HARMLESS.sub(b"", text)
        # A text of four characters begins with the byte 0x64, a "d", in CBOR.
        pins = (rb"(?<![0-9A-Za-z.])d?" + pin.encode() + rb"(?![0-9A-Za-z])" for pin in self.pins)
        if any(re.search(pattern, rest) for pattern in pins):
            return True
        texts = {f"{degrees:.3f}".encode() for degrees in self._degrees}
        texts |= {str(round(degrees * 1e7)).encode() for degrees in self._degrees}
        return any(each in text for each in texts)

    def _is_raw_place(self, content: bytes) -> bool:
        places_e7 = [(round(north * 1e7), round(east * 1e7)) for north, east in self.places]
        doubles = (struct.pack(order + "d", degrees) for degrees in self._degrees for order in "<>")
        return stand_together(content, places_e7) or any(double in content for double in doubles)


def cells(path: Path) -> Iterator[Named]:
    """Yield every cell of a SQLite database with its column's name, read from a copy with its write-ahead log.

    Raises:
        sqlite3.DatabaseError: it cannot be read.
    """
    for left in reversed(range(READ_TRIES)):
        with tempfile.TemporaryDirectory(prefix="tcu-search-") as folder:
            copy = Path(folder) / "copy"
            for suffix in ("-wal", ""):
                original = path.with_name(path.name + suffix)
                if original.exists():
                    shutil.copyfile(original, copy.with_name("copy" + suffix))
            try:
                found = _all_cells(copy)
            except sqlite3.DatabaseError:
                if not left:
                    raise
                continue
        yield from found
        return


def _all_cells(path: Path) -> list[Named]:
    with closing(sqlite3.connect(path)) as store:
        names = store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        found: list[Named] = []
        for (name,) in names:
            quoted = str(name).replace('"', '""')
            rows = store.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a table's own name
            columns = [column[0] for column in rows.description]
            found += [pair for row in rows for pair in zip(columns, row, strict=True)]
        return found


def _json(content: bytes) -> list[Named] | None:
    """Return the numbers and texts of a JSON object or array with their names, or None if it is none."""
    if not content.lstrip().startswith((b"{", b"[")):
        return None
    found: list[Named] = []

    def take(pairs: list[Named]) -> None:
        # Called for every object, from the inside out: one of two equal names must not hide the other.
        for name, value in pairs:
            found.append(("", name))
            found.extend((name, each) for each in _flat(value))

    try:
        whole = json.loads(content, object_pairs_hook=take)
    except ValueError:
        return None
    return found + [("", each) for each in _flat(whole)]


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value
