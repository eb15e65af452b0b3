"""How dear a bus frame is in the daemon's decode path, against the usual way, on a real recording.

The usual way is what most programs do: `cantools` decodes every frame that the DBC knows, whether anybody asked for its
signals or not, and does no debouncing and no watching for silence. Both get the same frames, already read, in turn.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from cantools.database.can import Database
from cantools.database.errors import DecodeError

from benchmarks.drive import CASES, Case, case, frames
from benchmarks.figures import Figure, compared
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.ports import CanFrame


def measure(rounds: int) -> Iterator[Figure]:
    """Yield frames a second of CPU time for each database."""
    what = frames()
    for name in CASES:
        known = case(name)
        ours, usual = [], []
        for _ in range(rounds):
            ours.append(_frames_per_s(lambda: our_way(known, what), len(what)))  # noqa: B023 -- called at once
            usual.append(_frames_per_s(lambda: usual_way(known.database, what), len(what)))  # noqa: B023 -- as above
        yield compared(
            f"decode path, {name} database",
            ours=ours,
            others=usual,
            unit="frames/s",
            against="decode_message for each known frame",
            target=1.0,
            is_cost=False,
        )


def usual_way(database: Database, what: Sequence[CanFrame]) -> None:
    """Decode every known frame whole."""
    known = {message.frame_id for message in database.messages}
    for frame in what:
        if frame.arbitration_id in known:
            with contextlib.suppress(DecodeError):
                database.decode_message(frame.arbitration_id, frame.data)


def our_way(known: Case, what: Sequence[CanFrame]) -> None:
    """Let the daemon's decoder have them: mapped signals, debounce, staleness."""
    decoder = SignalDecoder(
        known.mapping, known.bus, started_at=what[0].timestamp_s, listen_only=True
    )
    decoder.receive_all(what)


def _frames_per_s(way: Callable[[], None], count: int) -> float:
    started = time.process_time()
    way()
    return count / (time.process_time() - started)
