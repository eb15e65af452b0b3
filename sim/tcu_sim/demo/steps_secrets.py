"""The last step: every log, trace and database of the run is searched for PINs, keys, tokens and the car's place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tcu_sim.demo.planted_secrets import secrets_of
from tcu_sim.demo.secret_search import SecretSearch
from tcu_sim.demo.sightings import NotSeenError
from tcu_sim.demo.stage import PLACE, Stage
from tcu_sim.demo.steps_app import PASSWORD
from tcu_sim.demo.story import Step

CAPTURE = "mqtt.capture"


async def search(stage: Stage) -> str:
    """Search all that was written and said on MQTT, but for the letters and the files that keys belong into."""
    folder = stage.layout.root.parent
    secrets = secrets_of(stage.layout)
    _keep_capture(stage, folder / "logs" / CAPTURE)
    files = [
        path
        for path in _files(folder)
        if not path.is_relative_to(stage.layout.post) and path not in secrets.homes
    ]
    session = stage.memory.app.session if stage.memory.app else ""
    keys = tuple(each for each in (*secrets.values, PASSWORD.encode(), session.encode()) if each)
    pins = {letter.read_text().strip()[-4:] for letter in stage.layout.post.glob("*/*-pin.txt")}
    wanted = SecretSearch(pins=frozenset(pins), places=(PLACE,), keys=keys)
    try:
        found = [str(path.relative_to(folder)) for path in files if wanted.finds_in_file(path)]
    except sqlite3.DatabaseError as error:
        raise NotSeenError(f"a database that cannot be searched: {error}") from error
    if found:
        raise NotSeenError(f"a PIN, a key or the place of the car in {', '.join(found)}")
    return f"{len(pins)} PINs, {len(keys)} keys and tokens, the place of the car: in none of {len(files)} files"


def _keep_capture(stage: Stage, file: Path) -> None:
    """Write down every publication that the attacker on the broker has heard, byte for byte."""
    heard = [b"%s %s" % (each.topic.encode(), each.payload) for each in stage.attacker.heard]
    file.write_bytes(b"\n".join(heard))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


SECRETS = (
    Step("logs, traces and databases are searched", "no PIN, key or place of the car", search),
)
