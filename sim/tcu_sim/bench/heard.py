"""What the bench's centre has heard of a car: every message verified, kept by its own number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import Verified, open_signed
from tcu_sim.wire.keys import PublicKey

T = TypeVar("T", bound=m.Message)
FROM_CAR: tuple[type[m.Message], ...] = (
    m.Challenge,
    m.Refusal,
    m.Result,
    m.Event,
    m.Position,
    m.Availability,
)


class Heard:
    """Messages of one car. Those with a sequence number are kept once, however often they come."""

    def __init__(self, *, vehicle_key: PublicKey, environment: str) -> None:
        self.challenges: dict[bytes, Verified[m.Challenge]] = {}
        """By request id."""
        self.refusals: list[m.Refusal] = []
        self.answers: list[m.Result] = []
        """Every result as often as it came."""
        self.results: dict[tuple[bytes, int], m.Result] = {}
        """By stream id and seq, as `events`."""
        self.events: dict[tuple[bytes, int], m.Event] = {}
        self.beside: list[m.Event] = []
        """Events beside the stream (seq 0), as often as they came."""
        self.positions: dict[tuple[bytes, bytes, int], m.Position] = {}
        """By case id, stream id and seq."""
        self.availabilities: list[m.Availability] = []
        self.everything: list[m.Message] = []
        """In order of arrival, as often as it came."""
        self._last: tuple[bytes, Verified[Any]] = (b"", Verified(None, b""))
        """What was opened last: judge and centre look at the same message one after the other."""
        self._vehicle_key = vehicle_key
        self._environment = environment

    def take(self, word: str, data: bytes) -> m.Message:
        """Take a message by the last level of its topic.

        Raises:
            WireError: malformed, or its signature does not hold.
        """
        cls = next(cls for cls in FROM_CAR if word == cls.TYP)
        verified = self.open(data, cls)
        self._keep(verified.message, verified.payload)
        return verified.message

    def open(self, data: bytes, cls: type[T]) -> Verified[T]:
        """Return a message of the car without keeping it.

        Raises:
            WireError: malformed, of another type, or its signature does not hold.
        """
        known, last = self._last
        if known == data and isinstance(last.message, cls):
            return cast("Verified[T]", last)
        verified = open_signed(data, cls, self._vehicle_key, self._environment)
        self._last = data, verified
        return verified

    def complete_up_to(self, stream_id: bytes) -> int:
        """Return the highest seq of a stream below which nothing is missing, tombstones counted."""
        numbers = {seq for stream, seq in (*self.results, *self.events) if stream == stream_id}
        for (stream, _), event in self.events.items():
            if stream == stream_id and event.first_seq is not None and event.last_seq is not None:
                numbers.update(range(event.first_seq, event.last_seq + 1))
        return without_gap(numbers)

    def _keep(self, message: m.Message, payload: bytes) -> None:
        self.everything.append(message)
        match message:
            case m.Challenge():
                self.challenges[message.request_id] = Verified(message, payload)
            case m.Refusal():
                self.refusals.append(message)
            case m.Result():
                self.answers.append(message)
                self.results[message.stream_id, message.seq] = message
            case m.Event(seq=0):
                self.beside.append(message)
            case m.Event():
                self.events[message.stream_id, message.seq] = message
            case m.Position():
                self.positions[message.case_id, message.stream_id, message.seq] = message
            case m.Availability():
                self.availabilities.append(message)
            case _:
                raise AssertionError("FROM_CAR holds no other class")


def without_gap(numbers: Iterable[int]) -> int:
    """Return the highest n for which 1..n are all there, else 0."""
    known, highest = set(numbers), 0
    while highest + 1 in known:
        highest += 1
    return highest
