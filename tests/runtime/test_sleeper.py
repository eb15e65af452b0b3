"""Asleep: the centre told, the link down, the timer set, the board suspended; awake again by whatever wakes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.core.effects import GoToSleep, SendMessage, WakeUp
from tcu_agent.core.events import Connected, Disconnected, MessageArrived, Resumed, SuspendBegan
from tcu_agent.ports import StatePort
from tcu_agent.protocol.messages import Availability
from tcu_agent.protocol.vocabulary import Presence
from tcu_agent.runtime.agent import World
from tcu_agent.runtime.sleeper import SETTLE_S, STRAY_SUSPEND_S
from tcu_sim.bench.ports import SimulatedPower, SimulatedRtc
from tests.runtime.rig import VEHICLE_ID, Rig
from tests.runtime.rig import play as play_rig

UNTIL_S = 1_800_003_600


class BoardRig(Rig):
    """A rig whose board suspends."""

    def __init__(self) -> None:
        super().__init__()
        self.rtc = SimulatedRtc(self.clock)
        self.power = SimulatedPower(
            rtc=self.rtc, now=self.clock.boottime, suspend=self.clock.suspend
        )
        self.suspends = True

    def agent_sleeps(self, wake_at: float) -> None:
        """Let the core go to sleep now."""
        assert self.agent is not None
        self.agent._sleeper.sleep(GoToSleep(wake_at, UNTIL_S))

    async def agent_wakes(self) -> None:
        """Let the core wake up now, and wait for the connection that follows."""
        assert self.agent is not None
        before = len(self.core.of(Connected))
        was_connected = len(self.core.of(Disconnected)) < before
        self.agent._sleeper.wake()
        if not was_connected:
            await self.core.wait_for(Connected, number=before + 1)

    def world(self, state: StatePort) -> World:
        """Return the world with both ports, or without."""
        world = super().world(state)
        return replace(world, rtc=self.rtc, power=self.power) if self.suspends else world


def play(body: Any) -> None:
    play_rig(body, make=BoardRig)


def send(rig: Rig) -> None:
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")


async def asleep(rig: BoardRig, *, for_s: float | None = 3600.0) -> float | None:
    """Start, connect, and let the core go to sleep; return when it is to wake."""
    rig.start()
    await rig.core.wait_for(Connected)
    wake_at = None if for_s is None else rig.clock.boottime() + for_s
    rig.core.on(MessageArrived, GoToSleep(wake_at, None if for_s is None else UNTIL_S))
    send(rig)
    await rig.core.wait_for(Disconnected)
    return wake_at


def presences(rig: Rig) -> list[tuple[Presence, int | None]]:
    messages: list[Availability] = rig.sent("availability")
    return [(each.presence, each.asleep_until_s) for each in messages]


def test_the_centre_is_told_last_and_the_will_stays_unsaid() -> None:
    async def body(rig: BoardRig) -> None:
        rig.suspends = False
        await asleep(rig)
        await rig.wait_s(1000)
        assert presences(rig) == [(Presence.ASLEEP, UNTIL_S)]
        assert rig.link.connections == [1]

    play(body)


def test_without_the_ports_the_board_stays_on() -> None:
    async def body(rig: BoardRig) -> None:
        rig.suspends = False
        await asleep(rig)
        await rig.wait_s(10)
        assert rig.power.suspends == []
        assert rig.core.of(SuspendBegan) == []

    play(body)


def test_the_board_suspends_until_its_time_and_the_core_hears_of_it() -> None:
    async def body(rig: BoardRig) -> None:
        wake_at = await asleep(rig)
        assert wake_at is not None
        await rig.core.wait_for(Resumed)
        assert len(rig.core.of(SuspendBegan)) == 1
        assert wake_at <= rig.clock.boottime() <= wake_at + SETTLE_S + 1
        assert rig.power.suspends == [pytest.approx(3600, abs=10)]

    play(body)


def test_a_wake_up_connects_at_once() -> None:
    async def body(rig: BoardRig) -> None:
        await asleep(rig)
        rig.core.on(Resumed, WakeUp())
        await rig.core.wait_for(Connected, number=2)
        assert rig.link.connections == [1, 2]

    play(body)


def suspends_later(rig: BoardRig) -> None:
    """Let the suspend command return before it has suspended the board."""

    async def return_at_once() -> None:
        rig.power.suspends.append(0.0)

    rig.power.suspend = return_at_once  # type: ignore[method-assign]  # one port of one test


def test_a_car_that_wakes_before_the_suspend_that_was_asked_for_keeps_a_timer() -> None:
    """The command has returned, the suspend follows: without a timer nothing would end it."""

    async def body(rig: BoardRig) -> None:
        suspends_later(rig)
        await asleep(rig)
        await rig.wait_s(SETTLE_S / 2)
        assert rig.power.suspends == [0.0]
        before = rig.clock.boottime()
        await rig.agent_wakes()
        assert rig.rtc.next_wake() == before + STRAY_SUSPEND_S
        await rig.wait_s(SETTLE_S - 0.1)
        assert rig.rtc.next_wake() == before + STRAY_SUSPEND_S
        await rig.wait_s(0.2)
        assert rig.rtc.next_wake() is None, "nothing is left of it"
        assert rig.link.connections == [1, 2]

    play(body)


def test_a_car_that_wakes_while_the_suspend_command_runs_keeps_a_timer_too() -> None:
    async def body(rig: BoardRig) -> None:
        running = asyncio.Event()

        async def run_on() -> None:
            running.set()
            await asyncio.Event().wait()

        rig.power.suspend = run_on  # type: ignore[method-assign]  # one port of one test
        await asleep(rig)
        await running.wait()
        before = rig.clock.boottime()
        await rig.agent_wakes()
        assert rig.rtc.next_wake() == before + STRAY_SUSPEND_S
        await rig.wait_s(SETTLE_S + 0.1)
        assert rig.rtc.next_wake() is None

    play(body)


def test_a_car_that_wakes_later_keeps_no_timer() -> None:
    async def body(rig: BoardRig) -> None:
        suspends_later(rig)
        await asleep(rig)
        await rig.wait_s(SETTLE_S + 1)
        assert rig.rtc.next_wake() is not None
        await rig.agent_wakes()
        assert rig.rtc.next_wake() is None

    play(body)


def test_the_next_sleep_after_such_a_wake_up_has_its_own_timer() -> None:
    async def body(rig: BoardRig) -> None:
        suspends_later(rig)
        await asleep(rig)
        await rig.wait_s(SETTLE_S / 2)
        await rig.agent_wakes()
        wake_at = rig.clock.boottime() + 3600
        rig.agent_sleeps(wake_at)
        await rig.wait_s(3 * SETTLE_S)
        assert rig.rtc.next_wake() == wake_at
        assert rig.power.suspends == [0.0, 0.0]

    play(body)


def test_what_the_broker_kept_comes_in_the_visit() -> None:
    async def body(rig: BoardRig) -> None:
        await asleep(rig)
        send(rig)
        await rig.wait_s(1)
        assert len(rig.core.of(MessageArrived)) == 1
        rig.core.on(Resumed, WakeUp())
        await rig.core.wait_for(MessageArrived, number=2)

    play(body)


def test_who_wakes_up_by_itself_without_knowing_the_time_says_so() -> None:
    async def body(rig: BoardRig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.core.on(MessageArrived, GoToSleep(rig.clock.boottime() + 3600, None))
        send(rig)
        await rig.core.wait_for(Disconnected)
        assert presences(rig) == [(Presence.DOZING, None)]

    play(body)


def test_a_sleep_without_an_end_sets_no_timer() -> None:
    async def body(rig: BoardRig) -> None:
        await asleep(rig, for_s=None)
        await rig.wait_s(2 * SETTLE_S)
        assert rig.power.suspends == [float("inf")]
        assert presences(rig) == [(Presence.ASLEEP, None)]

    play(body)


def test_a_board_that_cannot_be_woken_is_not_suspended() -> None:
    async def body(rig: BoardRig) -> None:
        rig.rtc.works = False
        await asleep(rig)
        await rig.wait_s(10)
        assert rig.power.suspends == []
        assert rig.logbook.counts["not-suspended"] == 1
        assert rig.core.of(SuspendBegan) == []

    play(body)


def test_a_suspend_that_fails_leaves_the_agent_asleep_and_alive() -> None:
    async def body(rig: BoardRig) -> None:
        rig.power.works = False
        await asleep(rig)
        await rig.wait_s(10)
        assert rig.logbook.counts["not-suspended"] == 1
        assert rig.link.connections == [1]
        await rig.agent_wakes()

    play(body)


def test_waking_with_a_dead_rtc_is_no_fault() -> None:
    async def body(rig: BoardRig) -> None:
        rig.rtc.works = False
        await asleep(rig)
        await rig.wait_s(10)
        await rig.agent_wakes()

    play(body)


def test_a_car_that_stirs_while_it_goes_to_sleep_stays_awake() -> None:
    async def body(rig: BoardRig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.loses_pubacks = True
        rig.core.on(MessageArrived, GoToSleep(rig.clock.boottime() + 3600, UNTIL_S))
        send(rig)
        await rig.wait_s(0.5)
        rig.broker.loses_pubacks = False
        await rig.agent_wakes()
        await rig.wait_s(30)
        assert rig.power.suspends == []
        assert rig.link.connections[-1] in {1, 2}

    play(body)


def test_asked_twice_at_once_it_does_what_was_asked_last() -> None:
    async def body(rig: BoardRig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.core.on(MessageArrived, GoToSleep(rig.clock.boottime() + 3600, UNTIL_S), WakeUp())
        send(rig)
        await rig.wait_s(30)
        assert rig.power.suspends == []
        assert presences(rig) == []
        assert rig.link.connections == [1]

    play(body)


def test_a_broker_that_does_not_answer_does_not_keep_the_board_awake() -> None:
    async def body(rig: BoardRig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.loses_pubacks = True
        rig.core.on(MessageArrived, GoToSleep(rig.clock.boottime() + 3600, UNTIL_S))
        send(rig)
        await rig.core.wait_for(Resumed)
        assert rig.power.suspends == [pytest.approx(3600, abs=10)]

    play(body)


def test_without_a_connection_it_sleeps_all_the_same() -> None:
    async def body(rig: BoardRig) -> None:
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.is_reachable = False
        rig.link.lose()
        await rig.core.wait_for(Disconnected)
        rig.agent_sleeps(rig.clock.boottime() + 3600)
        await rig.core.wait_for(Resumed)
        attempts = len(rig.link.connections)
        rig.broker.is_reachable = True
        await rig.wait_s(600)
        assert len(rig.link.connections) == attempts

    play(body)


def test_a_connection_that_comes_too_late_is_left_again_with_the_last_word() -> None:
    async def body(rig: BoardRig) -> None:
        rig.suspends = False
        hold = asyncio.Event()
        connect = rig.link.connect

        async def slow(*, connection: int, will: bytes) -> bool:
            await hold.wait()
            return await connect(connection=connection, will=will)

        rig.link.connect = slow  # type: ignore[method-assign]  # one link of one test
        rig.start()
        await rig.wait_s(1)
        rig.agent_sleeps(rig.clock.boottime() + 3600)
        await rig.wait_s(1)
        hold.set()
        await rig.wait_s(5)
        assert presences(rig) == [(Presence.ASLEEP, UNTIL_S)]
        assert rig.core.of(Connected) == []
        await rig.wait_s(600)
        assert rig.link.connections == [1]

    play(body)


def test_messages_of_the_core_do_not_wake_the_link() -> None:
    async def body(rig: BoardRig) -> None:
        rig.suspends = False
        await asleep(rig)
        message = Availability(
            vehicle_id=VEHICLE_ID, boot_id=bytes(8), connection=1, presence=Presence.ONLINE
        )
        assert rig.agent is not None
        await rig.agent._perform(SendMessage(message))
        await rig.wait_s(600)
        assert presences(rig) == [(Presence.ASLEEP, UNTIL_S)]

    play(body)


def test_a_car_that_is_woken_does_not_wait_for_the_pause_before_its_sleep_to_end() -> None:
    async def body(rig: BoardRig) -> None:
        rig.suspends = False
        rig.broker.is_reachable = False
        rig.start()
        await rig.wait_s(3600)  # the pauses are minutes long by now
        assert rig.agent is not None
        assert rig.link.connections == []
        rig.agent_sleeps(rig.clock.boottime() + 3600)
        await rig.wait_s(0.1)
        rig.broker.is_reachable = True
        before = rig.clock.boottime()
        await rig.agent_wakes()
        assert rig.clock.boottime() == before

    play(body)
