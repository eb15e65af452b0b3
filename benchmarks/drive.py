"""The recording that the benchmarks use, the two databases that go with it, and a player at its own pace.

A real drive: 52,597 frames in 26 seconds of one bus of a Tesla Model 3. *small* is a mapping with a database of 11
messages, of which the bus shows nine; *large* one with 159 messages, which is all of the bus. Both map a few signals.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from cantools.database.can import Database

from tcu_agent.adapters.can.recording import Recording
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.ports import CanFrame

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TCU_TEST_DATA") or ROOT.parent / "shared" / "data")
DRIVE = DATA / "recordings" / "tesla_model3"
LOG = DRIVE / "candump-2021-12-08_151848.excerpt.log"
_DATABASES = {
    "small": ("tesla_model3.toml", "tesla_model3_vehicle.dbc"),
    "large": ("tesla_model3_full.toml", "Model3CAN.kuksa.dbc"),
}
_SHORTEST_PAUSE_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A mapping with its database. `bus`: the only bus of it."""

    name: str
    map_file: Path
    dbc: Path
    mapping: VehicleMapping
    bus: str

    @property
    def database(self) -> Database:
        """What others decode with."""
        return self.mapping.buses[self.bus].database


def case(name: str) -> Case:
    """Return the case `small` or `large`."""
    map_name, dbc_name = _DATABASES[name]
    map_file, dbc = ROOT / "examples" / map_name, DRIVE / dbc_name
    mapping = load_mapping(map_file, dbc=dbc)
    (bus,) = mapping.buses
    return Case(name=name, map_file=map_file, dbc=dbc, mapping=mapping, bus=bus)


CASES = tuple(_DATABASES)


def frames(seconds: float | None = None) -> list[CanFrame]:
    """Return the recording, or so much of its beginning; times as it has them, in their order."""
    every = iter(Recording(LOG))
    if seconds is None:
        return list(every)
    first = next(every)
    end = first.timestamp_s + seconds
    return [first, *takewhile(lambda frame: frame.timestamp_s < end, every)]


def play(what: Sequence[CanFrame], send: Callable[[CanFrame], object]) -> None:
    """Send each frame when it is due, as on the car; those of one millisecond together, as a busy machine does."""
    offset = time.monotonic() - what[0].timestamp_s
    for frame in what:
        early_s = frame.timestamp_s + offset - time.monotonic()
        if early_s > _SHORTEST_PAUSE_S:
            time.sleep(early_s)  # noqa: TID251 -- playing at the recording's pace is what is asked for
        send(frame)
