"""Effects happen in their order, all before the next event; a failure stops those behind it and goes in next."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tcu_agent.core.effects import (
    Effect,
    Lamp,
    Note,
    Persist,
    SendMessage,
    ShowCallState,
    TransmitLock,
    TransmitUnlock,
    WakeBus,
)
from tcu_agent.core.events import (
    Connected,
    CoreEvent,
    EffectFailed,
    MessageArrived,
)
from tcu_agent.errors import BugError
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.messages import Refusal, Result
from tcu_agent.protocol.vocabulary import CallState, Outcome, Reason, Relock, Service
from tcu_agent.runtime.logbook import FIELDS
from tcu_agent.runtime.pump import MOST_FAILURES_IN_A_ROW
from tcu_agent.runtime.transmitter import CALL_HOLDS_S
from tcu_sim.bench.ports import Publication
from tests.runtime.rig import (
    VEHICLE_ID,
    Rig,
    append,
    common,
    mapping,
    play,
    relock_authorisation,
    unlock_authorisation,
)

REFUSAL = SendMessage(Refusal(vehicle_id=VEHICLE_ID, boot_id=bytes(8), reason=Reason.BUSY))
COMMAND_ID = mapping().buses["body"].message("CentralLockCommand").frame_id
STATUS_ID = mapping().buses["body"].message("TcuStatus").frame_id
WAKE_ID = mapping().buses["body"].message("NmTcu").frame_id


def send(rig: Rig, kind: str = "request") -> None:
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/{kind}", b"x")


def test_a_start_carries_out_what_the_core_wants_before_any_event() -> None:
    async def body(rig: Rig) -> None:
        rig.core.starts_with = (Persist(puts={"started": b"1"}), Note("begun"))
        rig.start()
        await rig.core.wait_for(Connected)
        assert rig.state.values == {"started": b"1"}
        assert rig.logbook.counts["begun"] == 1

    play(body)


def test_a_failure_at_the_start_is_the_first_event() -> None:
    async def body(rig: Rig) -> None:
        rig.state.failing_commits = 1
        rig.core.starts_with = (append(1), Note("behind"))
        rig.start()
        await rig.core.wait_for(Connected)
        assert isinstance(rig.core.events[0], EffectFailed)
        assert rig.logbook.counts["behind"] == 0

    play(body)


def test_a_message_goes_out_after_what_stands_before_it_is_durable() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, Persist(puts={"mark": b"1"}), REFUSAL)
        was_durable = []

        def look(seen: Publication) -> None:
            if seen.topic.endswith("/up/refusal"):
                was_durable.append("mark" in rig.state.values)

        rig.broker.watch(look)
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        await rig.wait_s(1)
        assert was_durable == [True]

    play(body)


@pytest.mark.parametrize("is_durable", [True, False])
def test_the_log_says_how_an_unlock_ended_once_that_is_durable(
    is_durable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(rig: Rig) -> None:
        result = Result(
            common=common(Service.UNLOCK),
            outcome=Outcome.REFUSED,
            reason=Reason.VEHICLE_REFUSED,
            grant_hash=bytes(32),
            locks={},
            relock=Relock.NONE,
            seq=1,
            stream_id=bytes(8),
        )
        rig.core.on(MessageArrived, Persist(append=(result,)))
        rig.state.failing_commits = int(not is_durable)
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        await rig.core.wait_for(MessageArrived)
        await rig.wait_s(0.1)

    caplog.set_level(logging.INFO, "tcu_agent")
    play(body)
    said = [getattr(each, FIELDS) for each in caplog.records if each.message == "request-ended"]
    assert (
        said
        == [{"service": "unlock", "outcome": "refused", "reason": "vehicle-refused"}] * is_durable
    )


def test_what_stands_behind_a_failed_effect_does_not_happen() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(
            MessageArrived,
            append(1),
            TransmitUnlock(unlock_authorisation(), not_after=1e9),
            REFUSAL,
        )
        rig.start()
        await rig.core.wait_for(Connected)
        rig.state.failing_commits = 1
        send(rig)
        failed = await rig.core.wait_for(EffectFailed)
        await rig.wait_s(1)
        assert failed.effect == append(1)
        assert "disk is full" in failed.detail
        assert not failed.may_have_happened
        assert rig.sent("refusal") == []
        assert COMMAND_ID not in [frame.arbitration_id for frame in rig.bus.sent]

    play(body)


@pytest.mark.parametrize("may_have_happened", [True, False])
def test_a_command_that_was_not_taken_says_whether_it_may_be_on_the_bus(
    *, may_have_happened: bool
) -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9), REFUSAL)
        rig.start()
        await rig.core.wait_for(Connected)
        rig.port.failing_sends = 1
        rig.port.send_may_have_happened = may_have_happened
        send(rig)
        failed = await rig.core.wait_for(EffectFailed)
        assert failed.may_have_happened is may_have_happened
        assert rig.sent("refusal") == []

    play(body)


def test_a_full_transmit_queue_fails_the_command_within_its_time() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.port.is_full = True
        before = rig.clock.boottime()
        effect = TransmitUnlock(unlock_authorisation(), not_after=before + 0.5)
        rig.core.on(MessageArrived, effect)
        send(rig)
        await rig.core.wait_for(EffectFailed)
        assert rig.clock.boottime() - before <= 0.6

    play(body)


def test_a_failure_goes_in_before_everything_that_waits() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, append(1))
        rig.start()
        await rig.core.wait_for(Connected)
        rig.state.failing_commits = 1
        for _ in range(5):
            send(rig)
        await rig.core.wait_for(MessageArrived, number=5)
        kinds = [type(each).__name__ for each in rig.core.events if not isinstance(each, Connected)]
        assert kinds == ["MessageArrived", "EffectFailed", *["MessageArrived"] * 4]

    play(body)


def test_effects_that_fail_for_ever_are_given_up() -> None:
    async def body(rig: Rig) -> None:
        def again(_: CoreEvent) -> tuple[Effect, ...]:
            return (append(1),)

        rig.core.always[EffectFailed] = again
        rig.core.on(MessageArrived, append(1))
        rig.start()
        await rig.core.wait_for(Connected)
        rig.state.failing_commits = 10_000
        send(rig)
        send(rig)
        await rig.core.wait_for(MessageArrived, number=2)
        assert len(rig.core.of(EffectFailed)) == MOST_FAILURES_IN_A_ROW
        assert rig.logbook.counts["effects-keep-failing"] == 1

    play(body)


def test_an_unlock_puts_one_authenticated_frame_on_the_bus() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
        rig.core.on(MessageArrived, TransmitLock(relock_authorisation(), not_after=1e9))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        send(rig)
        await rig.core.wait_for(MessageArrived, number=2)
        await rig.wait_s(0.1)
        commands = [frame for frame in rig.bus.sent if frame.arbitration_id == COMMAND_ID]
        assert len(commands) == 2
        assert commands[0].data != commands[1].data
        reserved = {key: value for key, value in rig.state.values.items() if "secoc" in key}
        assert [value.hex() for value in reserved.values()] == ["82021840"], "64, version 2"

    play(body)


def test_freshness_values_are_never_used_twice_through_a_restart() -> None:
    async def body(rig: Rig) -> None:
        for number in (1, 2):
            rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
            rig.start()
            await rig.core.wait_for(Connected, number=number)
            send(rig)
            await rig.core.wait_for(MessageArrived, number=number)
            await rig.stop()
        first, second = (f.data for f in rig.bus.sent if f.arbitration_id == COMMAND_ID)
        assert second[4] == first[4] + 64, "the rest of the first block is skipped"

    play(body)


class Impostor:
    """Looks like an authorisation and is none."""


def test_an_unlock_without_the_verifiers_word_ends_the_agent() -> None:
    async def body(rig: Rig) -> None:
        impostor: Any = Impostor()
        rig.core.on(MessageArrived, TransmitUnlock(impostor, not_after=1e9))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        assert rig.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await rig.task
        assert caught.value.subgroup(BugError) is not None
        assert COMMAND_ID not in [frame.arbitration_id for frame in rig.bus.sent]

    play(body)


def test_the_status_frame_comes_in_its_cycle_and_at_once_on_a_change() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(3)
        assert [f for f in rig.bus.sent if f.arbitration_id == STATUS_ID] == [], "asleep"
        await wake(rig)
        cycle_s = mapping().commands["status"].cycle_s
        assert cycle_s is not None
        await rig.wait_s(1.0)
        cyclic = [f for f in rig.bus.sent if f.arbitration_id == STATUS_ID]
        assert len(cyclic) == pytest.approx(1.0 / cycle_s, abs=1)
        before = len(cyclic)
        rig.core.on(MessageArrived, ShowCallState(Lamp.ON, CallState.CONNECTED))
        send(rig)
        await rig.core.wait_for(MessageArrived)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await rig.wait_s(0.001)
        shown = [f for f in rig.bus.sent if f.arbitration_id == STATUS_ID]
        assert len(shown) == before + 1
        assert shown[-1].data != shown[-2].data

    play(body)


async def wake(rig: Rig) -> None:
    """Let another node send something."""
    rig.bus.put(CanFrame(0x7FE, bytes(8)))
    await asyncio.sleep(0)


def test_waking_the_bus_repeats_the_wake_up_for_its_time_and_then_stops() -> None:
    async def body(rig: Rig) -> None:
        how = mapping().buses["body"].wake
        assert how is not None
        rig.core.on(MessageArrived, WakeBus("unlock"))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        await rig.wait_s(how.for_s + 5)
        sent = [f.timestamp_s for f in rig.bus.sent if f.arbitration_id == WAKE_ID]
        assert len(sent) == pytest.approx(how.for_s / how.repeat_s + 1, abs=1)
        assert sent[-1] - sent[0] <= how.for_s

    play(body)


def test_a_call_keeps_a_parked_bus_awake_until_it_is_over_but_not_for_ever() -> None:
    async def body(rig: Rig) -> None:
        how = mapping().buses["body"].wake
        assert how is not None
        rig.core.on(
            MessageArrived,
            ShowCallState(Lamp.ON, CallState.CONNECTED),
        )
        rig.core.on(MessageArrived, ShowCallState(Lamp.OFF, CallState.IDLE))
        rig.core.on(MessageArrived, ShowCallState(Lamp.ON, CallState.CONNECTED))
        rig.start()
        await rig.core.wait_for(Connected)

        async def wakes_within(duration_s: float) -> int:
            before = sum(f.arbitration_id == WAKE_ID for f in rig.bus.sent)
            await rig.wait_s(duration_s)
            return sum(f.arbitration_id == WAKE_ID for f in rig.bus.sent) - before

        send(rig)
        await rig.wait_s(60)
        assert await wakes_within(10) == pytest.approx(10 / how.repeat_s, abs=1)
        send(rig)
        await rig.wait_s(how.for_s)
        assert await wakes_within(10) == 0
        send(rig)
        await rig.wait_s(CALL_HOLDS_S + how.for_s)
        assert await wakes_within(10) == 0

    play(body)
