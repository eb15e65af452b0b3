"""The outbox is bounded class by class; what is given up is covered by signed tombstones, to the last number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.core.durable import records
from tcu_agent.core.events import Connected, MessageArrived
from tcu_agent.core.reports import journal
from tcu_agent.core.reports.classes import CLASS_OF_KIND, OutboxBounds, OutboxClass, class_of
from tcu_agent.errors import StorageError
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason, Relock, Service
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.outbox_limits import OutboxLimits
from tcu_agent.runtime.stored_journal import StoredJournal
from tcu_sim.bench.clock import START_WALL_S
from tcu_sim.bench.ports import SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.runtime.rig import Rig, append, common, event, play

STREAM = b"stream-1"
SIZE_BYTES = len(codec.encode(event(30)))
DAY_S = 86_400.0
NOW_BOOT, NOW_S = b"this one", 50_000.0
TELEMETRY, SECURITY = EventKind.STATE_CHANGED, EventKind.SECURITY
ON_CALL = EventKind.ON_CALL_PRESSED


def bounds(messages: int, *, age_s: float = 7 * DAY_S) -> OutboxBounds:
    share = messages * SIZE_BYTES
    return OutboxBounds(telemetry_bytes=share, protected_bytes=share, telemetry_age_s=age_s)


def of(kind: EventKind, seq: int, *, wall_s: float = 0) -> Event:
    return replace(event(seq), kind=kind, wall_time_ms=int(wall_s * 1000))


def result(seq: int) -> Result:
    return Result(
        common=common(Service.UNLOCK),
        outcome=Outcome.EXECUTED,
        reason=Reason.NONE,
        grant_hash=bytes(32),
        locks={},
        relock=Relock.NONE,
        seq=seq,
        stream_id=STREAM,
    )


def no_room(_state: SqliteState, _tombstones: Sequence[Event]) -> None:
    raise StorageError("no space left on device")


def fill(rig: Rig, folder: Path, messages: Sequence[Result | Event]) -> None:
    """Let them lie in the store since before the start."""
    last = messages[-1].seq if messages else 0
    rig.disk = SqliteState(folder)
    record = records.pack(journal.SCHEMA, STREAM, last, 0)
    rig.disk.commit(puts={records.JOURNAL: record}, append=messages)


def stored(rig: Rig) -> list[tuple[int, int]]:
    """Return what every stored message stands for: first and last number."""
    assert rig.disk is not None
    waiting = rig.disk.outbox(after_seq=0, limit=10_000)
    return [((isinstance(m, Event) and m.first_seq) or m.seq, m.seq) for m in waiting]


def kept(rig: Rig) -> list[int]:
    assert rig.disk is not None
    waiting = rig.disk.outbox(after_seq=0, limit=10_000)
    return [m.seq for m in waiting if isinstance(m, Result) or m.kind is not EventKind.TOMBSTONE]


def covers_all(rig: Rig, last_seq: int) -> bool:
    """Whether the numbers from 1 are there without a gap, each once."""
    numbers = [seq for first, last in stored(rig) for seq in range(first, last + 1)]
    return numbers == list(range(1, last_seq + 1))


def started(rig: Rig, limits: OutboxBounds) -> None:
    rig.broker.is_reachable = False
    rig.outbox = limits
    rig.start()


def test_every_kind_is_in_one_class_and_results_are_deeds() -> None:
    assert {kind for kind in EventKind if kind not in CLASS_OF_KIND} >= {EventKind.SECURITY}
    assert class_of(result(1)) is OutboxClass.DEED
    assert class_of(of(TELEMETRY, 1)) is OutboxClass.TELEMETRY
    assert class_of(of(EventKind.ALARM, 1)) is OutboxClass.SECURITY
    assert class_of(of(ON_CALL, 1)) is OutboxClass.ON_CALL
    unprotected = {kind for kind in EventKind if not class_of(of(kind, 1)).is_protected}
    assert unprotected == {TELEMETRY, EventKind.STATE_REPORT, EventKind.BUS_STATE}


def test_too_much_telemetry_costs_the_oldest_telemetry_and_nothing_else(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        first: list[Result | Event] = [of(ON_CALL, 1), of(SECURITY, 2), result(3)]
        fill(rig, tmp_path, [*first, *(of(TELEMETRY, seq) for seq in range(4, 34))])
        started(rig, bounds(20))
        assert kept(rig) == [1, 2, 3, *range(16, 34)]
        assert stored(rig)[3] == (4, 15)
        assert covers_all(rig, 33)

    play(body)


@pytest.mark.parametrize("kind", [SECURITY, ON_CALL, EventKind.RELOCKED])
def test_too_much_of_a_protected_class_costs_its_middle(tmp_path: Path, kind: EventKind) -> None:
    async def body(rig: Rig) -> None:
        messages = [of(kind, seq) for seq in range(1, 31)]
        fill(rig, tmp_path, [*messages, of(TELEMETRY, 31)])
        started(rig, bounds(20))
        assert kept(rig) == [*range(1, 16), *range(28, 31), 31]
        assert covers_all(rig, 31)

    play(body)


def test_a_flood_of_one_class_takes_nothing_from_another(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        mixed = [of((TELEMETRY, SECURITY)[seq % 2], seq) for seq in range(1, 201)]
        fill(rig, tmp_path, [of(ON_CALL, 0 + 1), *mixed[1:]])
        started(rig, bounds(20))
        assert kept(rig)[0] == 1
        assert sum(seq % 2 == 0 for seq in kept(rig)) == 18
        assert covers_all(rig, 200)

    play(body)


def test_what_comes_while_it_is_full_takes_the_place_of_the_oldest(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, tmp_path, [of(TELEMETRY, seq) for seq in range(1, 21)])
        rig.core.starts_with = tuple(append(seq) for seq in range(21, 60))
        started(rig, bounds(20))
        await rig.wait_s(0.1)
        assert kept(rig)[-1] == 59
        assert 18 <= len(kept(rig)) <= 20
        assert stored(rig)[0] == (1, kept(rig)[0] - 1), "one tombstone, not forty"
        assert covers_all(rig, 59)
        assert rig.logbook.counts["messages-dropped"] > 1

    play(body)


def test_telemetry_grows_old_and_protected_messages_do_not(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        wall = rig.clock.wall()
        assert wall is not None
        old, young = wall - 8 * DAY_S, wall - 7 * DAY_S + 3600
        fill(
            rig,
            tmp_path,
            [
                of(TELEMETRY, 1, wall_s=old),
                of(SECURITY, 2, wall_s=old),
                of(TELEMETRY, 3),
                of(TELEMETRY, 4, wall_s=old),
                of(TELEMETRY, 5, wall_s=young),
            ],
        )
        started(rig, bounds(100))
        assert kept(rig) == [2, 5], "3 is older than 4"
        assert covers_all(rig, 5)
        await rig.wait_s(2 * 3600)
        rig.broker.is_reachable = True
        await rig.core.wait_for(Connected)
        await rig.wait_s(0.1)
        assert kept(rig) == [2], "looked at again before it is sent"
        assert [each.seq for each in rig.sent("event")] == [1, 2, 5]
        assert rig.sent("event")[0].reason is Reason.DROPPED_BY_POLICY

    play(body)


def test_a_clock_that_nothing_vouches_for_makes_nothing_old(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, tmp_path, [of(TELEMETRY, 1, wall_s=1_000_000_000)])
        rig.clock.synchronised = False
        started(rig, bounds(100))
        assert kept(rig) == [1]

    play(body)


def made(seq: int, *, at: float, wall_s: float = 0.0, boot_id: bytes = NOW_BOOT) -> Event:
    """A state change of this start of the agent, or of an earlier one."""
    change = of(TELEMETRY, seq, wall_s=wall_s)
    return replace(change, boot_id=boot_id, boot_time_ms=round(at * 1000))


def given_up(
    folder: Path, messages: Sequence[Event], *, later_s: float, synchronised: bool = True
) -> set[int]:
    """Return which of them are given up after so long."""
    state, clock = SqliteState(folder), SimulatedClock(boottime_s=NOW_S)
    record = records.pack(journal.SCHEMA, STREAM, messages[-1].seq, 0)
    state.commit(puts={records.JOURNAL: record}, append=messages)
    limits = OutboxLimits(
        state=state,
        journal=StoredJournal(state=state, vehicle_id="car-1", boot_id=NOW_BOOT),
        bounds=bounds(100),
        clock=clock,
        logbook=Logbook(),
    )

    async def play() -> None:
        clock.suspend(later_s)
        clock.synchronised = synchronised
        limits.look_through()

    run_simulated(play())
    waiting = state.outbox(after_seq=0, limit=100)
    state.close()
    left = {m.seq for m in waiting if isinstance(m, Event) and m.kind is TELEMETRY}
    return {m.seq for m in messages} - left


@pytest.mark.parametrize("wall_s", [0.0, 1e9, START_WALL_S, 4e9])
@pytest.mark.parametrize("synchronised", [True, False])
def test_what_this_start_made_is_as_old_as_clock_boottime_says(
    tmp_path: Path, wall_s: float, synchronised: bool
) -> None:
    """Whatever its stamp says, and whatever the wall clock says now."""
    messages = [made(1, at=NOW_S - 3600, wall_s=wall_s), made(2, at=NOW_S, wall_s=wall_s)]
    week_s = 7 * DAY_S
    for number, (later_s, gone) in enumerate(
        [(0.0, set[int]()), (week_s - 1800, {1}), (week_s + 60, {1, 2})]
    ):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o700)
        assert given_up(folder, messages, later_s=later_s, synchronised=synchronised) == gone, (
            later_s
        )


def test_what_was_not_stamped_is_as_old_as_what_came_after_it(tmp_path: Path) -> None:
    earlier = bytes(8)
    messages = [
        made(1, at=5.0, boot_id=earlier),
        made(2, at=9.0, boot_id=earlier, wall_s=START_WALL_S - 8 * DAY_S),
        made(3, at=7.0, boot_id=earlier),
        made(4, at=9.0, boot_id=earlier, wall_s=START_WALL_S - 6 * DAY_S),
        made(5, at=1e9, boot_id=earlier),
    ]
    assert given_up(tmp_path, messages, later_s=0.0) == {1, 2}


def test_what_was_not_stamped_grows_old_with_what_this_start_made(tmp_path: Path) -> None:
    messages = [made(1, at=5.0, boot_id=bytes(8)), made(2, at=NOW_S)]
    assert given_up(tmp_path, messages, later_s=7 * DAY_S + 60, synchronised=False) == {1, 2}


def test_what_was_acknowledged_makes_room_again(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, replace(append(), acknowledged=15))
        rig.core.on(MessageArrived, *(append(seq) for seq in range(21, 36)))
        fill(rig, tmp_path, [of(TELEMETRY, seq) for seq in range(1, 21)])
        rig.outbox = bounds(20)
        rig.start()
        await rig.core.wait_for(Connected)
        for _ in range(2):
            rig.broker.publish("tcu/v1/car-1/down/ack", b"x")
            await rig.wait_s(0.1)
        assert kept(rig) == list(range(16, 36))

    play(body)


def test_the_tombstone_outlives_a_restart_and_joins_the_next(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, tmp_path, [of(TELEMETRY, seq) for seq in range(1, 31)])
        started(rig, bounds(20))
        await rig.stop()
        rig.core.starts_with = tuple(append(seq) for seq in range(31, 40))
        rig.start()
        await rig.wait_s(0.1)
        assert stored(rig)[0][0] == 1
        assert sum(first != last for first, last in stored(rig)) == 1
        assert covers_all(rig, 39)

    play(body)


def test_an_outbox_that_cannot_be_bounded_now_is_bounded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(rig: Rig) -> None:
        fill(rig, tmp_path, [of(TELEMETRY, seq) for seq in range(1, 31)])
        with monkeypatch.context() as full:
            full.setattr(SqliteState, "bury", no_room)
            started(rig, bounds(20))
            assert rig.logbook.counts["outbox-not-bounded"] == 1
            assert len(kept(rig)) == 30
        rig.core.on(MessageArrived, append(31))
        rig.broker.is_reachable = True
        await rig.core.wait_for(Connected)
        rig.broker.publish("tcu/v1/car-1/down/request", b"x")
        await rig.wait_s(0.1)
        assert kept(rig) == list(range(13, 32))  # 18 of the 30, and the new one
        assert covers_all(rig, 31)

    play(body)
