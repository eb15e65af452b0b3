"""What was counted on one bus: for the log, the `signals` command and the doctor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

_MOST_IDS = 4096
"""An 11-bit bus has 2048 identifiers; who invents 29-bit ones without end fills no memory."""

_MOST_CAUSES = 32
"""A cause names what was found, such as a multiplexer value; somebody may try them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusCounters:
    """Frames of one bus since the port was made. `received`: wanted, and read; `malformed`: unreadable.

    `dropped`: wanted, and lost because the agent was too slow. `on_bus`: all of other nodes that were noticed, those
    included that nobody wanted (0 where the port cannot tell). `overruns`: how often the controller itself said that it
    has lost frames. Error frames, and what is handed on as a mere sign of life, are not in `received`.
    """

    received: int = 0
    sent: int = 0
    dropped: int = 0
    malformed: int = 0
    on_bus: int = 0
    overruns: int = 0

    def __add__(self, other: BusCounters) -> BusCounters:
        """Return the sum of each."""
        return BusCounters(
            received=self.received + other.received,
            sent=self.sent + other.sent,
            dropped=self.dropped + other.dropped,
            malformed=self.malformed + other.malformed,
            on_bus=self.on_bus + other.on_bus,
            overruns=self.overruns + other.overruns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderCounters:
    """Frames by kind, and what went wrong with them. Keys of `decode_errors`: (arbitration id, is 29-bit).

    `late_frames`: of ours, on the bus after their sender had given up; they are in no other count.
    `suppressed`: values that debounce held back, by path. `never_seen`: mapped paths whose message never came.
    """

    frames: int
    error_frames: int
    remote_frames: int
    own_id_frames: int
    mapped_frames: int
    ids_known: int
    ids_unknown: int
    decode_errors: Mapping[tuple[int, bool], Mapping[str, int]] = field(default_factory=dict)
    e2e_errors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unmapped_values: Mapping[str, int] = field(default_factory=dict)
    suppressed: Mapping[str, int] = field(default_factory=dict)
    never_seen: tuple[str, ...] = ()
    late_frames: int = 0


class Tally:
    """The running counts behind `DecoderCounters`."""

    def __init__(self) -> None:
        self.frames = 0
        self.error_frames = 0
        self.remote_frames = 0
        self.others: dict[tuple[int, bool], int] = {}
        self.decode_errors: dict[tuple[int, bool], Counter[str]] = {}
        self.e2e_errors: dict[str, Counter[str]] = {}

    def other(self, key: tuple[int, bool]) -> None:
        """Count a frame that no plan is for."""
        if key in self.others:
            self.others[key] += 1
        elif len(self.others) < _MOST_IDS:
            self.others[key] = 1

    def decode_error(self, key: tuple[int, bool], cause: str) -> None:
        """Count a frame that does not decode."""
        causes = self.decode_errors.setdefault(key, Counter())
        causes[cause if cause in causes or len(causes) < _MOST_CAUSES else "other causes"] += 1

    def e2e_error(self, message: str, cause: str) -> None:
        """Count a frame that failed its end-to-end check."""
        self.e2e_errors.setdefault(message, Counter())[cause] += 1
