"""What was given up: one tombstone for each gap, joined with its neighbours, in one transaction for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.core.durable import records
from tcu_agent.core.reports import journal
from tcu_agent.core.reports.classes import OutboxBounds, OutboxClass
from tcu_agent.errors import StorageError
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.outbox_limits import OutboxLimits
from tcu_agent.runtime.stored_journal import StoredJournal
from tcu_sim.bench.ports import SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.cloud.test_outbox_policy import (
    DAY_S,
    NOW_BOOT,
    NOW_S,
    SECURITY,
    SIZE_BYTES,
    STREAM,
    TELEMETRY,
    bounds,
    made,
    of,
)


class Bounded:
    """A store with these messages, and its limits."""

    def __init__(self, folder: Path, messages: Sequence[Event], *, limits: OutboxBounds) -> None:
        self.state = SqliteState(folder)
        self.clock = SimulatedClock(boottime_s=NOW_S)
        self.logbook = Logbook()
        record = records.pack(journal.SCHEMA, STREAM, messages[-1].seq, 0)
        self.state.commit(puts={records.JOURNAL: record}, append=messages)
        self.limits = OutboxLimits(
            state=self.state,
            journal=StoredJournal(state=self.state, vehicle_id="car-1", boot_id=NOW_BOOT),
            bounds=limits,
            clock=self.clock,
            logbook=self.logbook,
        )
        self.commits = 0
        self.state._database.set_trace_callback(self._traced)

    def _traced(self, statement: str) -> None:
        self.commits += statement == "COMMIT"

    def runs(self) -> list[tuple[int, int]]:
        """Return first and last number of each tombstone."""
        waiting = self.state.outbox(after_seq=0, limit=10_000)
        return [
            (m.first_seq, m.seq)
            for m in waiting
            if isinstance(m, Event) and m.first_seq is not None
        ]

    def kept(self) -> list[int]:
        waiting = self.state.outbox(after_seq=0, limit=10_000)
        return [
            m.seq for m in waiting if isinstance(m, Event) and m.kind is not EventKind.TOMBSTONE
        ]


def play(body: Callable[[], None]) -> None:
    async def main() -> None:
        body()

    run_simulated(main())


def test_any_number_of_gaps_is_one_transaction(tmp_path: Path) -> None:
    """One for each would hold up the event loop for seconds, and the watchdog with it."""

    def body() -> None:
        messages = [of((SECURITY, TELEMETRY)[seq % 2], seq) for seq in range(1, 401)]
        store = Bounded(tmp_path, messages, limits=OutboxBounds(telemetry_bytes=50 * SIZE_BYTES))
        store.limits.look_through()
        assert len(store.runs()) > 100
        assert store.commits == 1

    play(body)


def test_a_gap_joins_those_on_both_sides_of_it(tmp_path: Path) -> None:
    def body() -> None:
        security = [of(SECURITY, seq) for seq in (*range(1, 15), *range(16, 31))]
        messages = [*security[:14], made(15, at=NOW_S), *security[14:]]
        store = Bounded(tmp_path, messages, limits=bounds(20))
        store.limits.look_through()
        [(first, last)] = store.runs()
        assert first == 16
        store.clock.suspend(8 * DAY_S)
        store.limits.trim()
        assert store.runs() == [(15, last)]
        store.limits.trim()
        assert store.runs() == [(15, last)]

    play(body)


def test_a_gap_between_two_makes_one_of_three(tmp_path: Path) -> None:
    def body() -> None:
        old = [made(seq, at=NOW_S - at) for seq, at in ((1, 3600), (2, 3600))]
        messages = [*old, of(SECURITY, 3), made(4, at=NOW_S), of(SECURITY, 5)]
        store = Bounded(tmp_path, messages, limits=bounds(100))
        store.limits.look_through()
        store.clock.suspend(7 * DAY_S - 1800)
        store.limits.trim()
        assert store.runs() == [(1, 2)]
        store.clock.suspend(3600)
        store.limits.trim()
        assert store.runs() == [(1, 2), (4, 4)]
        victims = store.limits._stored[OutboxClass.SECURITY][:1]
        store.limits._give_up(OutboxClass.SECURITY, victims, cause="full")
        assert store.runs() == [(1, 4)]
        assert store.kept() == [5]

    play(body)


def test_two_gaps_of_one_step_join_over_what_was_gone_before(tmp_path: Path) -> None:
    def body() -> None:
        messages = [made(1, at=NOW_S), of(SECURITY, 2), made(3, at=NOW_S), of(SECURITY, 4)]
        store = Bounded(tmp_path, messages, limits=bounds(100))
        store.limits.look_through()
        victims = store.limits._stored[OutboxClass.SECURITY][:1]
        store.limits._give_up(OutboxClass.SECURITY, victims, cause="full")
        store.clock.suspend(8 * DAY_S)
        store.limits.trim()
        assert store.runs() == [(1, 3)]
        assert store.kept() == [4]

    play(body)


def test_what_the_centre_has_is_joined_with_nothing(tmp_path: Path) -> None:
    def body() -> None:
        messages = [made(1, at=NOW_S - 3600), made(2, at=NOW_S), of(SECURITY, 3)]
        store = Bounded(tmp_path, messages, limits=bounds(100))
        store.limits.look_through()
        store.clock.suspend(7 * DAY_S - 1800)
        store.limits.trim()
        assert store.runs() == [(1, 1)]
        store.state.commit(puts={}, acknowledged=1)
        store.limits.acknowledged(1)
        store.clock.suspend(3600)
        store.limits.trim()
        assert store.runs() == [(2, 2)]

    play(body)


def test_what_the_disk_did_not_take_is_given_up_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> None:
        messages = [of((SECURITY, TELEMETRY)[seq % 2], seq) for seq in range(1, 61)]
        store = Bounded(tmp_path, messages, limits=bounds(20))

        def fail(_tombstones: object) -> None:
            raise StorageError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(store.state, "bury", fail)
            store.limits.look_through()
        assert store.runs() == []
        assert store.logbook.counts["outbox-not-bounded"] == 1
        store.limits.trim()
        assert len(store.kept()) == 36
        numbers = {n for first, last in store.runs() for n in range(first, last + 1)}
        assert numbers | set(store.kept()) == set(range(1, 61))

    play(body)
