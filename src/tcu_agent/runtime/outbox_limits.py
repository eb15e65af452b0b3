"""Keeps the outbox within its bounds: what `core.reports.classes` gives up is replaced by tombstones.

Looked at whenever a message was stored, at each connection and at the start. A message is first made durable and only
then may another one go, so the bounds are exceeded by one step's messages for a moment, and no power cut loses both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tcu_agent.core.reports.classes import OutboxBounds, OutboxClass, class_of
from tcu_agent.errors import StorageError
from tcu_agent.ports import Clock, StatePort
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind, Reason
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.stored_journal import StoredJournal

_PAGE_MESSAGES = 64
_ROOM_MADE = 0.1
"""Part of a full share that is made free at once, so that not every new message costs a second transaction."""


@dataclass(frozen=True, slots=True)
class _Stored:
    seq: int
    size_bytes: int
    boottime_s: float | None
    """CLOCK_BOOTTIME, s; None = of another start of the agent, perhaps of another boot."""
    wall_time_s: float | None
    """s since 1970-01-01; None = not known."""


class OutboxLimits:
    """Knows what is stored, class by class, and gives up what is too much or too old."""

    def __init__(
        self,
        *,
        state: StatePort,
        journal: StoredJournal,
        bounds: OutboxBounds,
        clock: Clock,
        logbook: Logbook,
    ) -> None:
        self._state = state
        self._journal = journal
        self._bounds = bounds
        self._clock = clock
        self._logbook = logbook
        self._stored: dict[OutboxClass, list[_Stored]] = {each: [] for each in OutboxClass}
        self._bytes: Counter[OutboxClass] = Counter()
        self._graves: dict[int, int] = {}
        """First number of each run that was given up, by its last."""

    def look_through(self) -> None:
        """Learn what is stored, and give up what is too much; never raises."""
        seq = 0
        try:
            while messages := self._state.outbox(after_seq=seq, limit=_PAGE_MESSAGES):
                self._learn(messages)
                seq = messages[-1].seq
        except StorageError as error:
            self._logbook.error("outbox-not-bounded", detail=str(error))
            return
        self.trim()

    def appended(self, messages: Iterable[Result | Event]) -> None:
        """Take note of what was stored, and give up what is too much for it; never raises."""
        self._learn(messages)
        self.trim()

    def acknowledged(self, seq: int) -> None:
        """Take note that everything up to `seq` is gone from the store."""
        for of, stored in self._stored.items():
            gone = next((n for n, each in enumerate(stored) if each.seq > seq), len(stored))
            self._bytes[of] -= sum(each.size_bytes for each in stored[:gone])
            del stored[:gone]
        self._graves = {last: first for last, first in self._graves.items() if last > seq}

    def trim(self) -> None:
        """Give up what is too old or too much; never raises: what cannot be done now is tried again."""
        try:
            self._give_up_old()
            for of in OutboxClass:
                self._give_up_surplus(of)
        except StorageError as error:
            self._logbook.error("outbox-not-bounded", detail=str(error))

    def _learn(self, messages: Iterable[Result | Event]) -> None:
        for message in messages:
            if isinstance(message, Event) and message.kind is EventKind.TOMBSTONE:
                self._remember_grave(message)
                continue
            of, stored = class_of(message), self._stored_form(message)
            self._stored[of].append(stored)
            self._bytes[of] += stored.size_bytes

    def _stored_form(self, message: Result | Event) -> _Stored:
        size_bytes = len(codec.encode(message))
        if isinstance(message, Result):
            return _Stored(message.seq, size_bytes, None, None)
        is_of_this_start = message.boot_id == self._journal.boot_id
        return _Stored(
            message.seq,
            size_bytes,
            message.boot_time_ms / 1000 if is_of_this_start else None,
            message.wall_time_ms / 1000 or None,
        )

    def _remember_grave(self, tombstone: Event) -> None:
        if tombstone.reason is Reason.DROPPED_BY_POLICY and tombstone.first_seq is not None:
            self._graves[tombstone.seq] = tombstone.first_seq

    def _give_up_old(self) -> None:
        wall = self._clock.wall() if self._clock.is_synchronised() else None
        victims: list[_Stored] = []
        older: list[_Stored] = []
        for each in self._stored[OutboxClass.TELEMETRY]:
            older.append(each)
            age_s = self._age_s(each, wall)
            if age_s is None:
                continue  # as old as what comes behind it, at least
            if age_s <= self._bounds.telemetry_age_s:
                break  # those behind it are younger
            victims += older
            older.clear()
        self._give_up(OutboxClass.TELEMETRY, victims, cause="age")

    def _age_s(self, each: _Stored, wall: float | None) -> float | None:
        """Return how old a message is, None if no clock can tell; no wall clock disputes CLOCK_BOOTTIME."""
        if each.boottime_s is not None:
            return self._clock.boottime() - each.boottime_s
        if wall is None or each.wall_time_s is None:
            return None
        return wall - each.wall_time_s

    def _give_up_surplus(self, of: OutboxClass) -> None:
        share_bytes = self._bounds.bytes_of(of)
        if self._bytes[of] <= share_bytes:
            return
        surplus_bytes = self._bytes[of] - share_bytes * (1 - _ROOM_MADE)
        stored = self._stored[of]
        victims = []
        for each in stored[len(stored) // 2 if of.is_protected else 0 :]:
            if surplus_bytes <= 0:
                break
            victims.append(each)
            surplus_bytes -= each.size_bytes
        self._give_up(of, victims, cause="full")

    def _give_up(self, of: OutboxClass, victims: Sequence[_Stored], *, cause: str) -> None:
        if not victims:
            return
        graves = _Graves(self._graves)
        for first_seq, last_seq in _runs(each.seq for each in victims):
            graves.add(first_seq, last_seq)
        # One transaction, however many gaps there are: each costs the event loop one wait for the disk.
        self._state.bury(self._tombstones(graves))
        self._graves = graves.by_last
        self._forget(of, victims)
        self._logbook.warning("messages-dropped", of=of.value, messages=len(victims), cause=cause)

    def _tombstones(self, graves: _Graves) -> list[Event]:
        journal = self._journal.read()
        return [
            journal.tombstone_over(
                first_seq=graves.by_last[last_seq],
                last_seq=last_seq,
                reason=Reason.DROPPED_BY_POLICY,
            )
            for last_seq in sorted(graves.new)
        ]

    def _forget(self, of: OutboxClass, victims: Sequence[_Stored]) -> None:
        gone = {each.seq for each in victims}
        self._bytes[of] -= sum(each.size_bytes for each in victims)
        self._stored[of] = [each for each in self._stored[of] if each.seq not in gone]


class _Graves:
    """Runs of numbers that were given up: one joins those on both sides of it."""

    def __init__(self, by_last: Mapping[int, int]) -> None:
        self.by_last = dict(by_last)
        """First number of each, by its last."""
        self.new: set[int] = set()
        """Last numbers of those that were not there, or not as they are now."""
        self._by_first = {first: last for last, first in by_last.items()}

    def add(self, first_seq: int, last_seq: int) -> None:
        """Add one, of which no number is in another."""
        before = self.by_last.pop(first_seq - 1, first_seq)
        behind = self._by_first.pop(last_seq + 1, last_seq)
        self.new.discard(first_seq - 1)
        self.by_last[behind], self._by_first[before] = before, behind
        self.new.add(behind)


def _runs(seqs: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of consecutive numbers."""
    run: tuple[int, int] | None = None
    for seq in seqs:
        if run is not None and seq == run[1] + 1:
            run = (run[0], seq)
            continue
        if run is not None:
            yield run
        run = (seq, seq)
    if run is not None:
        yield run
