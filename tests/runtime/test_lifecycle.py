"""Start, loss of a bus, damaged state, a clean end, and an end by a bug."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tcu_agent.core.agent import Core
from tcu_agent.core.effects import Effect, Persist, TransmitUnlock, WakeBus
from tcu_agent.core.events import (
    BusFaulted,
    BusFellAsleep,
    Connected,
    CoreEvent,
    EffectFailed,
    MessageArrived,
    SignalsChanged,
)
from tcu_agent.errors import CanTransportError, ConfigError
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Presence, Reason
from tcu_agent.runtime.can_bus import MOST_RETRY_S
from tcu_agent.runtime.supervisor import Supervisor
from tests.runtime.rig import VEHICLE_ID, Rig, append, mapping, play, unlock_authorisation


def send(rig: Rig, kind: str = "request") -> None:
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/{kind}", b"x")


# ------------------------------------------------------------------------------------------ start


def test_ready_is_said_when_can_is_open_even_without_a_broker() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.is_reachable = False
        rig.start()
        await rig.wait_s(1)
        assert rig.supervisor.said == ["READY=1"]
        assert rig.logbook.counts["listening"] == 1
        assert rig.logbook.counts["connected"] == 0

    play(body)


def test_ready_is_not_said_before_can_is_open() -> None:
    async def body(rig: Rig) -> None:
        rig.port.refuses_open = True
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(60)
        assert "READY=1" not in rig.supervisor.said
        rig.port.refuses_open = False
        await rig.wait_s(MOST_RETRY_S)
        assert "READY=1" in rig.supervisor.said

    play(body)


def test_an_interface_that_can_never_work_is_the_configurations_fault() -> None:
    async def body(rig: Rig) -> None:
        async def refuse() -> None:
            raise CanTransportError("no such interface", may_have_happened=False, temporary=False)

        rig.port.open = refuse  # type: ignore[method-assign]  # a port that cannot work
        rig.start()
        assert rig.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await rig.task
        assert caught.value.subgroup(ConfigError) is not None

    play(body)


def test_the_first_trust_bundle_is_the_first_message() -> None:
    async def body(rig: Rig) -> None:
        rig.trust = b"container"
        rig.start()
        await rig.core.wait_for(Connected)
        first = rig.core.events[0]
        assert isinstance(first, MessageArrived)
        assert (first.topic_type, first.payload, first.retained) == ("trust", b"container", False)

    play(body)


def test_the_watchdog_is_fed_through_the_pump() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.wait_s(16)
        assert rig.supervisor.said.count("WATCHDOG=1") == 4

    play(body, watchdog=True)


def test_a_hung_effect_starves_the_watchdog() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
        rig.start()
        await rig.core.wait_for(Connected)

        async def hang(frame: CanFrame, *, timeout_s: float) -> None:
            await rig.wait_s(100)

        rig.port.send = hang  # type: ignore[method-assign]  # a driver that hangs
        send(rig)
        await rig.core.wait_for(MessageArrived)
        before = rig.supervisor.said.count("WATCHDOG=1")
        await rig.wait_s(50)
        assert rig.supervisor.said.count("WATCHDOG=1") <= before + 1

    play(body, watchdog=True)


def test_a_flood_that_never_ends_does_not_starve_the_watchdog() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        assert rig.agent is not None
        pump = rig.agent._pump
        await rig.core.wait_for(Connected)

        async def slow(_: Effect) -> None:
            await rig.wait_s(0.1)

        async def flood() -> None:
            while True:
                await pump.put(BusFellAsleep("body", (), rig.clock.boottime()))

        pump._perform = slow
        rig.core.always[BusFellAsleep] = lambda _: (WakeBus("test"),)
        before = rig.supervisor.said.count("WATCHDOG=1")
        task = asyncio.create_task(flood())
        await rig.wait_s(200)
        task.cancel()
        assert rig.supervisor.said.count("WATCHDOG=1") >= before + 4

    play(body, watchdog=True)


def test_systemd_gets_one_datagram_a_line(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(address)
        supervisor = Supervisor({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
        supervisor.ready()
        supervisor.status("listening")
        assert [inbox.recv(100), inbox.recv(100)] == [b"READY=1", b"STATUS=listening"]
        assert supervisor.watchdog_s == 15.0
    supervisor.alive()  # the supervisor is gone: no reason to fail
    assert Supervisor({}).watchdog_s is None
    Supervisor({}).ready()


# -------------------------------------------------------------------------------------------- CAN


def door_frame(bus_message: str = "VehicleMotion") -> CanFrame:
    message = mapping().buses["body"].message(bus_message)
    return CanFrame(message.frame_id, bytes(message.length))


def test_a_lost_bus_is_told_opened_again_and_heard_again() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.bus.put(door_frame())
        await rig.core.wait_for(SignalsChanged)
        rig.port.lose()
        fault = await rig.core.wait_for(BusFaulted)
        assert (fault.bus, fault.state) == ("body", "link-down")
        unknown = rig.core.of(SignalsChanged)[-1]
        assert {change.value for change in unknown.changes} == {None}
        before = len(rig.core.of(SignalsChanged))
        await rig.wait_s(MOST_RETRY_S)
        rig.bus.put(door_frame())
        await rig.core.wait_for(SignalsChanged, number=before + 1)
        assert [each.state for each in rig.core.of(BusFaulted)] == ["link-down", "error-active"]

    play(body)


def test_a_bus_that_comes_back_silent_is_asleep_and_not_for_ever_lost() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.port.lose()
        await rig.core.wait_for(BusFaulted)
        await rig.wait_s(MOST_RETRY_S)
        await rig.core.wait_for(BusFellAsleep)
        assert [each.state for each in rig.core.of(BusFaulted)] == ["link-down", "error-active"]

    play(body)


def test_a_bus_that_stays_away_is_looked_for_every_few_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.port.refuses_open = True
        rig.port.lose()
        await rig.wait_s(600)
        tries = rig.logbook.counts["can-open-failed"]
        assert 600 / MOST_RETRY_S < tries < 2 * 600 / MOST_RETRY_S + 20
        told = [
            r for r in caplog.records if r.message == "can-open-failed" and r.levelname != "DEBUG"
        ]
        assert 5 < len(told) < 12, "the 1st, 2nd, 4th ... only"
        rig.port.refuses_open = False
        await rig.wait_s(MOST_RETRY_S)
        assert rig.logbook.counts["can-open"] == 2

    play(body)


def test_a_silent_bus_falls_asleep_by_the_decoders_own_alarm() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.bus.put(door_frame())
        heard_at = rig.clock.boottime()
        await rig.core.wait_for(SignalsChanged)
        asleep = await rig.core.wait_for(BusFellAsleep)
        after_s = mapping().buses["body"].asleep_after_s
        assert after_s is not None
        assert asleep.at == pytest.approx(heard_at + after_s)
        assert rig.clock.boottime() == pytest.approx(heard_at + after_s)

    play(body)


def test_nothing_is_sent_to_a_bus_that_is_gone() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
        rig.port.refuses_open = True
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        failed = await rig.core.wait_for(EffectFailed)
        assert not failed.may_have_happened

    play(body)


# ------------------------------------------------------------------------------------------ state


def test_a_damaged_state_is_told_to_the_core_said_loudly_and_never_written() -> None:
    async def body(rig: Rig) -> None:
        rig.state.values = {"journal": b"damaged"}
        rig.state.is_corrupt = True
        rig.core.on(MessageArrived, Persist(puts={"mark": b"1"}), append(1))
        rig.start()
        await rig.core.wait_for(Connected)
        assert rig.core.made_from == [None]
        assert rig.logbook.counts["state-corrupt"] == 1
        send(rig)
        await rig.wait_s(1)
        assert rig.state.values == {"journal": b"damaged"}
        assert rig.state.messages == {}
        assert [each.seq for each in rig.sent("event")] == [1], "ON CALL still gets out"

    play(body)


def test_a_damaged_state_lets_no_secured_command_out() -> None:
    async def body(rig: Rig) -> None:
        rig.state.is_corrupt = True
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        failed = await rig.core.wait_for(EffectFailed)
        assert not failed.may_have_happened
        assert rig.bus.sent == []

    play(body)


def test_the_real_core_reports_a_damaged_state_and_goes_on() -> None:
    async def body(rig: Rig) -> None:
        rig.state.is_corrupt = True
        rig.start(core=Core)
        while not rig.sent("event"):
            await rig.wait_s(0.1)
        started = rig.sent("event")[0]
        assert isinstance(started, Event)
        assert (started.kind, started.reason) == (EventKind.STARTED, Reason.STATE_CORRUPT)

    play(body)


# -------------------------------------------------------------------------------------------- end


def test_a_clean_end_says_goodbye_and_leaves_no_will() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.stop()
        rig.broker.cut()
        (goodbye,) = rig.sent("availability")
        assert goodbye.presence is Presence.OFFLINE
        assert rig.logbook.counts["stopped"] == 1
        assert "STOPPING=1" in rig.supervisor.said
        with pytest.raises(CanTransportError):
            await rig.port.send(door_frame(), timeout_s=1)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert others == set()

    play(body)


def test_a_clean_end_without_a_broker_or_a_bus_does_not_hang() -> None:
    async def body(rig: Rig) -> None:
        rig.broker.is_reachable = False
        rig.port.refuses_open = True
        rig.start()
        await rig.wait_s(3)
        before = rig.clock.boottime()
        await rig.stop()
        assert rig.clock.boottime() == before

    play(body)


def test_a_broker_that_hangs_holds_the_end_up_for_seconds_only() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.loses_pubacks = True
        before = rig.clock.boottime()
        await rig.stop()
        assert rig.clock.boottime() - before <= 3

    play(body)


def test_what_is_under_way_is_finished_before_the_end() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(
            MessageArrived,
            TransmitUnlock(unlock_authorisation(), not_after=1e9),
            Persist(puts={"done": b"1"}),
        )
        rig.start()
        await rig.core.wait_for(Connected)
        send_now = rig.port.send

        async def slow(frame: CanFrame, *, timeout_s: float) -> None:
            await rig.wait_s(0.3)
            await send_now(frame, timeout_s=timeout_s)

        rig.port.send = slow  # type: ignore[method-assign]  # a slow driver
        send(rig)
        await rig.core.wait_for(MessageArrived)
        await rig.stop()
        assert rig.state.values["done"] == b"1"
        assert len(rig.bus.sent) == 1

    play(body)


def test_a_bug_in_the_core_ends_the_agent() -> None:
    async def body(rig: Rig) -> None:
        def fail(_: CoreEvent) -> tuple[Effect, ...]:
            raise ZeroDivisionError

        rig.core.always[MessageArrived] = fail
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        assert rig.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await rig.task
        assert caught.value.subgroup(ZeroDivisionError) is not None

    play(body)


def test_the_parts_of_a_state_that_only_the_runtime_knows_reach_the_core_unread() -> None:
    async def body(rig: Rig) -> None:
        stored: Mapping[str, bytes] = {"secoc/body/00a0": bytes(8), "trust": b"x"}
        rig.state.values = dict(stored)
        rig.start()
        await rig.core.wait_for(Connected)
        assert rig.core.made_from == [stored]

    play(body)
