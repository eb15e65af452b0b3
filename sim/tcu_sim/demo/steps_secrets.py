"""The last step: every log, trace and database of the run is searched for the PINs and for the place of the car."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tcu_sim.demo.can_watch import is_in_clear
from tcu_sim.demo.sightings import NotSeenError
from tcu_sim.demo.stage import PLACE, Stage
from tcu_sim.demo.story import Step

HARMLESS = re.compile(rb'\d{4}-\d\d-\d\dT|"bytes": \d+|pid"?:? \d+|:\d+')
"""Numbers that may happen to look like a PIN: dates, lengths, process ids, ports and clock times."""


async def search(stage: Stage) -> str:
    """Search all that the run has written, but for the letters themselves."""
    folder = stage.layout.root.parent
    files = [path for path in _files(folder) if not path.is_relative_to(stage.layout.post)]
    pins = {letter.read_text().strip()[-4:] for letter in stage.layout.post.glob("*/*-pin.txt")}
    found = [
        str(path.relative_to(folder))
        for path in files
        if shows_pin(content := path.read_bytes(), pins) or shows_place(content)
    ]
    if found:
        raise NotSeenError(f"a PIN or the place of the car in {', '.join(found)}")
    return f"{len(pins)} PINs and the place of the car in none of {len(files)} files"


def shows_pin(content: bytes, pins: Iterable[str]) -> bool:
    """Whether one of the PINs stands in the content as a number of its own."""
    rest = HARMLESS.sub(b"", content)
    # A text of four characters begins with the byte 0x64, a "d", in CBOR.
    patterns = [rb"(?<![0-9A-Za-z.])d?" + pin.encode() + rb"(?![0-9A-Za-z])" for pin in pins]
    return any(re.search(pattern, rest) for pattern in patterns)


def shows_place(content: bytes) -> bool:
    """Whether the place of the car stands in the content, as text or as the protocol encodes it."""
    latitude_e7, longitude_e7 = (round(degrees * 1e7) for degrees in PLACE)
    texts = {f"{degrees:.3f}".encode() for degrees in PLACE}
    texts |= {str(latitude_e7).encode(), str(longitude_e7).encode()}
    return any(text in content for text in texts) or is_in_clear(
        content, [(latitude_e7, longitude_e7)]
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


SECRETS = (Step("logs, traces and databases are searched", "no PIN, no place of the car", search),)
