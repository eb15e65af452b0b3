"""Going to sleep and waking up in any order, any number of steps of the loop apart: what was asked last holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcu_agent.core.effects import GoToSleep, WakeUp
from tcu_agent.core.events import Connected, Disconnected, MessageArrived
from tcu_agent.ports import PowerPort
from tests.runtime.test_sleeper import UNTIL_S, BoardRig, play, presences

QUIET_S = 30.0
"""Longer than anything that is under way may take."""
Pause = int | float
"""After an order: so many steps of the loop, or s of its time."""


@dataclass
class Board(PowerPort):
    """Runs the command of the suspend, and looks at each start of it: the car must not have been woken."""

    rig: BoardRig
    manner: str
    wanted: GoToSleep | None = None
    """What was asked last, None = to be awake."""
    wrong: list[str] = field(default_factory=list)
    started: list[float | None] = field(default_factory=list)
    """To which the timer was set each time."""

    async def suspend(self) -> None:
        wake_at = self.rig.rtc._wake_at
        self.started.append(wake_at)
        if self.wanted is None:
            self.wrong.append("suspended though woken")
        elif self.wanted.wake_at != wake_at:
            self.wrong.append("suspended with the timer of another sleep")
        if self.manner == "suspends" and wake_at is not None:
            self.rig.clock.suspend(wake_at - self.rig.clock.boottime())
        elif self.manner == "runs on":
            await asyncio.Event().wait()


class Story:
    """One rig, and orders to its sleeper from between the steps of everything else."""

    def __init__(self, rig: BoardRig, *, manner: str) -> None:
        self.rig = rig
        rig.suspends = manner != "stays on"
        self.board = Board(rig, manner)
        rig.power = self.board  # type: ignore[assignment]  # it is asked for nothing else

    async def order(self, asleep_s: float | None) -> None:
        """Sleep for so long, or wake up (None), without a step of the loop."""
        assert self.rig.agent is not None
        if asleep_s is None:
            self.board.wanted = None
            self.rig.agent._sleeper.wake()
        else:
            self.board.wanted = GoToSleep(self.rig.clock.boottime() + asleep_s, UNTIL_S)
            self.rig.agent._sleeper.sleep(self.board.wanted)

    async def pause(self, pause: Pause) -> None:
        if isinstance(pause, float):
            loop = asyncio.get_running_loop()
            passed = loop.create_future()
            loop.call_later(pause, passed.set_result, None)  # of waking time, without a suspend
            await passed
        else:
            for _ in range(pause):
                await asyncio.sleep(0)

    def believed(self) -> bool:
        """Whether the core holds the link for there."""
        heard = [e for e in self.rig.core.events if isinstance(e, Connected | Disconnected)]
        return bool(heard) and isinstance(heard[-1], Connected)


PAUSES = st.one_of(st.integers(0, 25), st.sampled_from([0.3, 2.0, 4.9, 6.0, 12.0]))
MANNERS = ("stays on", "suspends", "returns at once", "runs on")
SLEEPS = st.sampled_from([3600.0, 7200.0])


@given(
    manner=st.sampled_from(MANNERS),
    orders=st.lists(st.tuples(st.none() | SLEEPS, PAUSES), max_size=6),
    last=st.none() | SLEEPS,
    connecting=PAUSES,
    is_heard=st.booleans(),
)
@example(manner="stays on", orders=[(3600.0, 1)], last=None, connecting=0, is_heard=True)
@example(manner="stays on", orders=[(3600.0, 2)], last=None, connecting=0, is_heard=True)
@example(  # woken in the step in which a connection that comes too late is there
    manner="stays on",
    orders=[(3600.0, 2), (None, 5), (None, 25), (3600.0, 9)],
    last=None,
    connecting=16,
    is_heard=True,
)
def test_what_was_asked_last_holds(
    *,
    manner: str,
    orders: list[tuple[float | None, Pause]],
    last: float | None,
    connecting: Pause,
    is_heard: bool,
) -> None:
    async def body(rig: BoardRig) -> None:
        connect = rig.link.connect

        async def slow(*, connection: int, will: bytes) -> bool:
            await story.pause(connecting)
            return await connect(connection=connection, will=will)

        rig.link.connect = slow  # type: ignore[method-assign]  # one link of one test
        rig.broker.loses_pubacks = not is_heard
        story = Story(rig, manner=manner)
        rig.start()
        await rig.core.wait_for(Connected)
        for asleep_s, pause in (*orders, (last, QUIET_S)):
            await story.order(asleep_s)
            await story.pause(pause)
        assert story.board.wrong == []
        is_awake = last is None
        assert (rig.link.is_connected, story.believed()) == (is_awake, is_awake)
        if is_awake:
            assert rig.rtc._wake_at is None
        elif rig.suspends:
            assert story.board.wanted is not None
            assert story.board.started[-1] == rig.rtc._wake_at == story.board.wanted.wake_at

    play(body)


@pytest.mark.parametrize("suspends", [False, True])
def test_a_car_that_stirs_in_the_event_after_the_one_that_sends_it_to_sleep_is_reached(
    *, suspends: bool
) -> None:
    async def body(rig: BoardRig) -> None:
        rig.suspends = suspends
        rig.start()
        await rig.core.wait_for(Connected)
        await rig.wait_s(60)
        rig.core.on(MessageArrived, GoToSleep(rig.clock.boottime() + 3600, UNTIL_S))
        rig.core.on(MessageArrived, WakeUp())
        assert rig.agent is not None
        for _ in range(2):
            await rig.agent._pump.put(MessageArrived("request", b"x", False, bytes(16)))
        await rig.wait_s(QUIET_S)
        assert rig.link.is_connected
        assert rig.power.suspends == []
        assert presences(rig) == []

    play(body)
