"""The store rests in quiet moments, and never while something that matters is under way."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tcu_agent.adapters.storage import kept_log
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Note, Persist, TransmitUnlock
from tcu_agent.core.events import Connected, MessageArrived, TimePassed
from tcu_agent.errors import StorageError
from tcu_agent.ports import CanFrame
from tcu_agent.runtime.store_rest import LATEST_S, QUIET_S
from tests.runtime.rig import Rig, play, unlock_authorisation

HELD_UP_S = 3 * QUIET_S
MARGIN_S = 0.1


class RestingState(SqliteState):
    """Notes when it rests."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        super().__init__(folder)
        self.now = now
        self.rests: list[float] = []
        self.is_broken = False

    def rest(self) -> None:
        if hasattr(self, "rests"):  # the first one is part of opening
            self.rests.append(self.now())
            if self.is_broken:
                raise StorageError("the disk is full")
        super().rest()


def begin(rig: Rig, folder: Path) -> RestingState:
    state = RestingState(folder / "state", rig.clock.boottime)
    rig.disk = state
    rig.start()
    return state


def no_room(_log: kept_log.KeptLog) -> None:
    raise sqlite3.OperationalError("no room")


async def put(rig: Rig, number: int = 1) -> None:
    """Let the core make something durable."""
    rig.core.on(TimePassed, Persist(puts={"k": bytes([number])}))
    rig.core.deadline = rig.clock.boottime()
    assert rig.agent is not None
    await rig.agent._pump.put(TimePassed(bytes(16)))
    rig.core.deadline = None


def test_it_rests_once_after_a_burst_and_not_again(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        await rig.core.wait_for(Connected)
        last = 0.0
        for number in range(6):
            await put(rig, number)
            last = rig.clock.boottime()
            await rig.wait_s(QUIET_S / 2)
        assert state.rests == []
        await rig.wait_s(10 * QUIET_S)
        assert [at - last for at in state.rests] == [pytest.approx(QUIET_S, abs=MARGIN_S)]
        assert not state.needs_rest

    play(body)


def test_a_full_log_does_not_wait_for_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_log, "FULL_BYTES", 10_000)

    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        await rig.core.wait_for(Connected)
        began = rig.clock.boottime()
        for number in range(12):
            await put(rig, number)
            await rig.wait_s(QUIET_S / 4)
        assert rig.clock.boottime() < began + LATEST_S
        assert len(state.rests) >= 1

    play(body)


def test_it_never_rests_between_two_effects(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        send, sent_at = rig.port.send, []

        async def slow(frame: CanFrame, *, timeout_s: float) -> None:
            await rig.wait_s(HELD_UP_S)
            sent_at.append(rig.clock.boottime())
            await send(frame, timeout_s=timeout_s)

        rig.core.on(
            MessageArrived,
            Persist(puts={"unlock": b"intent"}),
            TransmitUnlock(unlock_authorisation(), not_after=1e9),
        )
        await rig.core.wait_for(Connected)
        rig.port.send = slow  # type: ignore[method-assign]  # on this one object
        rig.broker.publish("tcu/v1/car-1/down/request", b"x")
        await rig.core.wait_for(MessageArrived)
        await rig.wait_s(20 * QUIET_S)
        assert state.rests[0] >= sent_at[0]

    play(body)


def test_a_store_that_cannot_rest_is_told_of_and_tried_again(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        await rig.core.wait_for(Connected)
        state.is_broken = True
        await put(rig)
        await rig.wait_s(2 * QUIET_S)
        assert rig.logbook.counts["store-not-rested"] == 1
        await rig.wait_s(LATEST_S)
        assert rig.logbook.counts["store-not-rested"] == 2
        state.is_broken = False
        await rig.wait_s(LATEST_S)
        assert len(state.rests) == len([True, True, False])
        assert not state.needs_rest

    play(body)


def test_writes_without_end_do_not_put_it_off_for_ever(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        await rig.core.wait_for(Connected)
        began = rig.clock.boottime()
        for number in range(44):
            await put(rig, number)
            await rig.wait_s(QUIET_S / 4)
        first, second = state.rests
        assert first - began == pytest.approx(LATEST_S, abs=MARGIN_S)
        assert second - first == pytest.approx(LATEST_S, abs=QUIET_S / 4 + MARGIN_S)

    play(body)


def test_what_writes_nothing_does_not_put_it_off(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        rig.core.on(MessageArrived, Note("refused"))
        await rig.core.wait_for(Connected)
        await put(rig)
        began = rig.clock.boottime()
        for _ in range(12):
            rig.broker.publish("tcu/v1/car-1/down/request", b"x")
            await rig.wait_s(QUIET_S / 4)
        assert [at - began for at in state.rests] == [pytest.approx(QUIET_S, abs=MARGIN_S)]

    play(body)


def test_it_rests_after_a_write_that_no_effect_made(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        await rig.core.wait_for(Connected)
        state.replace(1, by=None)
        assert state.needs_rest
        await rig.wait_s(2 * QUIET_S)
        assert not state.needs_rest

    play(body)


@pytest.mark.parametrize(
    ("key", "delay_s"), [(records.TRUST, 0.0), (records.ACCOUNT, 0.0), (records.MARKS, QUIET_S)]
)
def test_whom_to_believe_does_not_wait_for_quiet(tmp_path: Path, key: str, delay_s: float) -> None:
    async def body(rig: Rig) -> None:
        state = begin(rig, tmp_path)
        await rig.core.wait_for(Connected)
        await put(rig)
        await rig.wait_s(QUIET_S / 4)
        state.commit(puts={key: b"new"})
        began = rig.clock.boottime()
        await rig.wait_s(2 * QUIET_S)
        assert [at - began for at in state.rests] == [pytest.approx(delay_s, abs=MARGIN_S)]

    play(body)


def test_what_a_full_disk_left_to_do_at_the_start_is_done_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(rig: Rig) -> None:
        with monkeypatch.context() as full:
            full.setattr(kept_log.KeptLog, "rest", no_room)
            state = begin(rig, tmp_path)
        assert state.needs_rest
        await rig.wait_s(2 * QUIET_S)
        assert not state.needs_rest

    play(body)
