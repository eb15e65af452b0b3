"""Tells the log what a CAN bus has cost: frames that were lost, unreadable, or not to be believed, or far too many.

A minute at most between two looks while the bus lives, and a minute at least between two lines, so that neither a
broken node nor a hostile one fills the log. Only what is new when the agent stops is told at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from tcu_agent.adapters.can.counters import BusCounters, DecoderCounters
from tcu_agent.ports import CanPort
from tcu_agent.runtime.logbook import Logbook

TELL_S = 60.0
BABBLE_PER_S = 3000
"""Frames of others that are worth a line: three quarters of what a bus with 500 kbit/s can carry, 8 bytes in each."""
_SHORTEST_RATE_S = 1.0
_MOST_NAMED = 3
"""Messages that a line names, those with the most frames."""


@runtime_checkable
class CountingPort(Protocol):
    """A CAN port that counts; one that cannot lose frames need not."""

    def counters(self) -> BusCounters:
        """Return what was counted so far."""


class CountingDecoder(Protocol):
    """What is needed of `adapters.can.signals.SignalDecoder`."""

    def counters(self) -> DecoderCounters:
        """Return what was counted so far."""


class BusTally:
    """What was told of one bus, and when to look again. Times: CLOCK_BOOTTIME, s."""

    def __init__(
        self, *, port: CanPort, decoder: CountingDecoder, logbook: Logbook, now: float
    ) -> None:
        self._bus = port.name
        self._port = port if isinstance(port, CountingPort) else None
        self._decoder = decoder
        self._logbook = logbook
        self._look_at = now + TELL_S
        self._told_at = -math.inf
        self._rated_at, self._rated = now, 0
        self._told: Counter[str] = Counter()
        self._told_of: Counter[str] = Counter()

    def look(self, now: float) -> None:
        """Tell if it is time; cheap if not."""
        if now >= self._look_at:
            self.tell(now)

    def look_at_end(self, now: float) -> None:
        """Tell, since nobody may look for long: the bus sleeps or is lost. What follows a line too soon is kept."""
        if now >= self._told_at + TELL_S:
            self.tell(now)

    def tell(self, now: float) -> None:
        """Tell what is new, if anything is."""
        self._look_at = now + TELL_S
        counters = self._port.counters() if self._port else BusCounters()
        decoded = self._decoder.counters()
        counted, named = _sums(counters, decoded), _by_message(decoded)
        news, of = counted - self._told, named - self._told_of
        self._told, self._told_of = counted, named
        news += self._babble(counters.on_bus, now)
        if news:
            self._told_at = now
            worst = ", ".join(f"{name} {count}" for name, count in of.most_common(_MOST_NAMED))
            self._logbook.warning("can-losses", bus=self._bus, **news, messages=worst)

    def _babble(self, on_bus: int, now: float) -> Counter[str]:
        """Return how many frames a second were on the bus since this was asked last, if they are too many."""
        passed_s = now - self._rated_at
        if passed_s < _SHORTEST_RATE_S:
            return Counter()
        per_s = int((on_bus - self._rated) / passed_s)
        self._rated_at, self._rated = now, on_bus
        return Counter(on_bus_per_s=per_s) if per_s >= BABBLE_PER_S else Counter()


def _sums(port: BusCounters, decoded: DecoderCounters) -> Counter[str]:
    return Counter(
        dropped=port.dropped,
        malformed=port.malformed,
        overruns=port.overruns,
        undecodable=_total(decoded.decode_errors),
        e2e_failed=_total(decoded.e2e_errors),
        unmapped_values=sum(decoded.unmapped_values.values()),
        late_on_the_bus=decoded.late_frames,
    )


def _by_message(decoded: DecoderCounters) -> Counter[str]:
    """Return the failures of each message, by its name or identifier."""
    counted = Counter({name: sum(causes.values()) for name, causes in decoded.e2e_errors.items()})
    for (number, is_extended), causes in decoded.decode_errors.items():
        counted[f"{number:0{8 if is_extended else 3}X}"] += sum(causes.values())
    return counted


def _total(errors: Mapping[Any, Mapping[str, int]]) -> int:
    return sum(sum(causes.values()) for causes in errors.values())
