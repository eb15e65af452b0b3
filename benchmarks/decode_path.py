"""How dear a bus frame is: the daemon's decode path against the usual way, on a real recording.

`python -m benchmarks.decode_path` prints median frames/s of several rounds for a small and a large DBC, and the ratio.
The usual way is what most programs do: `cantools` decodes every frame that the DBC knows, whether anybody asked for its
signals or not, and does no debouncing and no watching for silence. Both get the same frames, already read, in turn.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cantools.database.can import Database
from cantools.database.errors import DecodeError

from tcu_agent.adapters.can.recording import Recording
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.ports import CanFrame

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TCU_TEST_DATA") or ROOT.parent / "shared" / "data")
DRIVE = DATA / "recordings" / "tesla_model3"
ROUNDS = 7


def usual_way(database: Database, frames: Sequence[CanFrame]) -> None:
    """Decode every known frame whole."""
    known = {message.frame_id for message in database.messages}
    for frame in frames:
        if frame.arbitration_id in known:
            with contextlib.suppress(DecodeError):
                database.decode_message(frame.arbitration_id, frame.data)


def our_way(mapping: VehicleMapping, bus: str, frames: Sequence[CanFrame]) -> None:
    """Let the daemon's decoder have them: mapped signals, debounce, staleness."""
    decoder = SignalDecoder(mapping, bus, started_at=frames[0].timestamp_s, listen_only=True)
    for frame in frames:
        decoder.receive(frame)


def frames_per_s(way: Callable[[], None], count: int) -> float:
    """Return how many frames a second of CPU time one round gives."""
    started = time.process_time()
    way()
    return count / (time.process_time() - started)


def compare(name: str, mapping_file: str, dbc: str, frames: Sequence[CanFrame]) -> None:
    """Print both medians and their ratio for one mapping and DBC."""
    mapping = load_mapping(ROOT / "examples" / mapping_file, dbc=DRIVE / dbc)
    (bus,) = mapping.buses
    database = mapping.buses[bus].database
    rounds = [
        (
            frames_per_s(lambda: our_way(mapping, bus, frames), len(frames)),
            frames_per_s(lambda: usual_way(database, frames), len(frames)),
        )
        for _ in range(ROUNDS)
    ]
    ours, usual = (statistics.median(way) for way in zip(*rounds, strict=True))
    ratio = statistics.median(our / other for our, other in rounds)
    print(
        f"{name}: {len(frames)} frames, {len(database.messages)} messages known, ours {ours:,.0f} frames/s,"
        f" usual {usual:,.0f} frames/s, ratio {ratio:.2f}"
    )


def main() -> None:
    """Compare with both DBCs."""
    frames = list(Recording(DRIVE / "candump-2021-12-08_151848.excerpt.log"))
    compare("small DBC", "tesla_model3.toml", "tesla_model3_vehicle.dbc", frames)
    compare("large DBC", "tesla_model3_full.toml", "Model3CAN.kuksa.dbc", frames)


if __name__ == "__main__":
    main()
