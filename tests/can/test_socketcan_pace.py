"""How often the SocketCAN port looks: at once on a quiet bus, after pauses on a busy one, for life only if needed."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan import session
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.life import LATE_S, SAMPLE_S
from tcu_agent.adapters.can.socketcan.pace import LEAST_ROOM_BYTES, PAUSE_S, Pace
from tcu_agent.adapters.can.socketcan.session import BATCH_FRAMES
from tcu_agent.adapters.can.socketcan.sockets import Sockets
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tcu_sim.bench.clock import SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.can.peers import WAIT_S
from tests.can.scripted_sockets import (
    Ancillary,
    ScriptedController,
    ScriptedSocket,
    scripted_sockets,
)
from tests.can.sending_bench import OFF

WANTED, OTHER = CanFrame(0x100, b"\x01"), CanFrame(0x200, b"\x02")
START_S = 50.0
WALL_S = 1e9
"""Of the wall clock, how much it is ahead."""


class Bench:
    """A port on two scripted sockets, whose clocks stand still until a test moves `boot`."""

    def __init__(self, *, room_bytes: int) -> None:
        self.main, self.life = ScriptedSocket(), ScriptedSocket()
        self.controller = ScriptedController()
        self.boot = START_S
        self.room_bytes = room_bytes
        self.port = SocketCanBus(
            name="body",
            channel="can0",
            open_them=self._open,
            boottime=lambda: self.boot,
            wall=lambda: self.boot + WALL_S,
        )

    def _open(self) -> Sockets:
        selection = Selection(wanted=frozenset({(0x100, False)}))
        return scripted_sockets(
            self.main,
            life=self.life,
            selection=selection,
            buffer_bytes=self.room_bytes,
            controller=self.controller,
        )

    def wakes(self, opened: ScriptedSocket) -> bool:
        """Whether the next frame of this socket wakes the event loop."""
        selector = getattr(asyncio.get_running_loop(), "_selector")  # noqa: B009 -- there is no other way to ask
        return opened.fileno() in selector.get_map()

    async def hear(self, frames: int, *, each_s: float) -> None:
        """Let so many come on the first socket, at that distance, and take them."""
        for _ in range(frames):
            self.boot += each_s
            self.main.arrive(WANTED, wall=self.boot + WALL_S)
        heard = 0
        while heard < frames:
            heard += sum(one.arbitration_id == 0x100 for one in await self.port.receive())

    async def first_look(self) -> None:
        """Until the second socket was looked at for the first time, in vain."""
        while not self.wakes(self.life):  # noqa: ASYNC110 -- turns of the loop
            await asyncio.sleep(0)


def on(
    test: Callable[[Bench], Coroutine[Any, Any, None]], *, room_bytes: int = LEAST_ROOM_BYTES
) -> None:
    async def run() -> None:
        bench = Bench(room_bytes=room_bytes)
        await bench.port.open()
        try:
            await test(bench)
        finally:
            await bench.port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def thick(each_s: float, *, together: int = 1) -> bool:
    """Whether frames at that distance, so many at once, are taken for thick."""
    pace, now, is_thick = Pace(), START_S, False
    for _ in range(40):
        now += each_s
        is_thick = pace.is_thick([CanFrame(1, b"", timestamp_s=now)] * together, now)
    return is_thick


def test_frames_are_thick_if_they_come_more_often_than_once_in_a_pause() -> None:
    assert thick(PAUSE_S * 0.9)
    assert not thick(PAUSE_S * 1.1)


def test_frames_that_come_together_wake_us_once_and_count_once() -> None:
    assert not thick(PAUSE_S * 1.1, together=10)


def test_they_are_thin_again_once_they_stay_out() -> None:
    pace = Pace()
    frames = [CanFrame(1, b"", timestamp_s=START_S + each * 0.01) for each in range(20)]
    assert pace.is_thick(frames, START_S + 0.2)
    assert not pace.is_thick([], START_S + 0.2 + 16 * PAUSE_S)


def test_a_busy_bus_is_looked_at_after_a_pause_and_a_quiet_one_wakes_us() -> None:
    async def test(bench: Bench) -> None:
        assert bench.wakes(bench.main)
        await bench.hear(20, each_s=0.01)
        assert not bench.wakes(bench.main)
        await bench.hear(3, each_s=0.01)  # by the look behind the pause
        assert not bench.wakes(bench.main)
        bench.boot += 1.0
        while not bench.wakes(bench.main):  # noqa: ASYNC110 -- until it has looked in vain
            await asyncio.sleep(0)
        await bench.hear(1, each_s=0.01)

    on(test)


def test_a_buffer_with_little_room_is_never_left_alone() -> None:
    async def test(bench: Bench) -> None:
        await bench.hear(40, each_s=0.01)
        assert bench.wakes(bench.main)

    on(test, room_bytes=LEAST_ROOM_BYTES - 1)


def test_who_sends_is_woken_by_the_echo() -> None:
    async def test(bench: Bench) -> None:
        bench.main.echoes = False
        await bench.hear(20, each_s=0.01)
        assert not bench.wakes(bench.main)
        sending = asyncio.create_task(bench.port.send(WANTED, timeout_s=1e6))
        while bench.main.sent.empty():  # noqa: ASYNC110 -- turns of the loop, in which it is sent
            await asyncio.sleep(0)
        assert bench.wakes(bench.main)
        await bench.hear(20, each_s=0.01)
        assert bench.wakes(bench.main)  # as long as it is under way
        bench.main.echo(WANTED)
        await sending
        await bench.hear(1, each_s=0.01)
        assert not bench.wakes(bench.main)

    on(test)


def test_a_bus_that_went_off_in_a_pause_takes_no_command() -> None:
    async def test(bench: Bench) -> None:
        bench.controller.off = True
        await bench.hear(20, each_s=0.01)
        assert not bench.wakes(bench.main)
        bench.main.arrive(OFF, wall=bench.boot + WALL_S)
        with pytest.raises(CanTransportError, match="bus-off") as caught:
            await bench.port.send(WANTED, timeout_s=WAIT_S)
        assert not caught.value.may_have_happened
        assert bench.main.sent.empty()

    on(test)


def test_more_than_one_turn_has_room_for_is_read_without_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "PAUSE_S", 1e6)

    async def test(bench: Bench) -> None:
        for _ in range(3 * BATCH_FRAMES + 1):
            bench.boot += 0.0002
            bench.main.arrive(WANTED, wall=bench.boot + WALL_S)
        left = 3 * BATCH_FRAMES + 1
        while left:
            left -= len(await bench.port.receive())
            assert not bench.wakes(bench.main)

    on(test)


def test_in_a_pause_it_is_closed_or_fails_or_is_asked_to_catch_up_as_ever() -> None:
    async def test(bench: Bench) -> None:
        await bench.hear(20, each_s=0.01)
        bench.main.arrive(WANTED, wall=bench.boot + WALL_S)
        assert not bench.port.catch_up()
        assert len(await bench.port.receive()) == 1
        assert not bench.wakes(bench.main)
        bench.main.fail(errno.ENETDOWN)
        with pytest.raises(CanTransportError, match="Network is down"):
            await bench.port.receive()
        assert not bench.wakes(bench.main)
        await bench.port.close()

    on(test)


# ------------------------------------------------------------------ signs of life


def test_what_is_wanted_is_sign_enough_of_life() -> None:
    """The second socket has had a stranger for long, and is not looked at as long as the first one is heard."""

    async def test(bench: Bench) -> None:
        await bench.first_look()
        bench.life.arrive(OTHER, wall=bench.boot + WALL_S)
        assert [one.arbitration_id for one in await bench.port.receive()] == [0x200]
        bench.life.arrive(OTHER, wall=bench.boot + WALL_S)
        bench.life.dropped = 300
        loop = asyncio.get_running_loop()
        until = loop.time() + 2 * SAMPLE_S
        while loop.time() < until:
            bench.main.arrive(WANTED, wall=bench.boot + WALL_S)
            assert {one.arbitration_id for one in await bench.port.receive()} == {0x100}
        assert (
            bench.port.counters().on_bus == 301
        )  # the kernel is asked, and the one in it not read

    on(test)


def test_a_look_that_was_spared_does_not_make_an_old_frame_a_sign_of_now() -> None:
    """What had room is seconds old, and others found none: both may have been before the last wanted frame."""

    async def test(bench: Bench) -> None:
        await bench.first_look()
        bench.life.arrive(OTHER, wall=bench.boot + WALL_S)
        await bench.port.receive()
        bench.life.arrive(OTHER, wall=bench.boot + WALL_S)
        bench.life.dropped = 300
        await bench.hear(1, each_s=LATE_S + 2.0)
        while bench.port.counters().on_bus < 302:  # noqa: ASYNC110 -- until the look that was put off
            await asyncio.sleep(0)
        bench.boot += 0.05
        bench.life.arrive(OTHER, wall=bench.boot + WALL_S)
        (sign,) = await bench.port.receive()
        assert sign.arbitration_id == 0x200
        assert sign.timestamp_s == pytest.approx(bench.boot)

    on(test)


@pytest.mark.parametrize(("ago_s", "looked_at"), [(0.0, 0.15), (0.09, 0.15), (0.11, 0.1)])
def test_a_wanted_frame_puts_a_look_off_if_it_was_not_read_late(
    ago_s: float, looked_at: float
) -> None:
    """After we were held up it says nothing about now, but what found no room in the second socket does."""

    async def test(bench: SimulatedBench) -> None:
        bench.arrive(bench.life, OTHER)
        bench.life.dropped = 300
        await bench.wait(0.05)
        bench.arrive(bench.main, WANTED)
        bench.clock.suspend(ago_s)  # for us nothing happens, and the clock goes on
        bench.port.catch_up()
        await bench.port.receive()
        before = bench.port.counters().on_bus
        bench.arrive(bench.life, OTHER)
        while bench.port.counters().on_bus == before:
            await bench.wait(0.001)
        assert asyncio.get_running_loop().time() == pytest.approx(looked_at, abs=0.002)

    on_simulated_time(test)


# ------------------------------------------------------------------ on simulated time, where no descriptor wakes


class SimulatedBench:
    """The same port; only its own timers, and `catch_up`, make it look."""

    def __init__(self) -> None:
        self.main, self.life = ScriptedSocket(), ScriptedSocket()
        self.clock = SimulatedClock(boottime_s=START_S)
        self.looks = 0
        receive = self.main.recvmsg

        def counted(room: int, more: int, /) -> tuple[bytes, Ancillary, int, object]:
            try:
                return receive(room, more)
            except BlockingIOError:
                self.looks += 1
                raise

        self.main.recvmsg = counted  # type: ignore[method-assign]  # counts what its own one finds empty
        self.port = SocketCanBus(
            name="body",
            channel="can0",
            open_them=lambda: scripted_sockets(
                self.main,
                life=self.life,
                selection=Selection(wanted=frozenset({(0x100, False)})),
                buffer_bytes=LEAST_ROOM_BYTES,
            ),
            boottime=self.clock.boottime,
            wall=lambda: self.clock.boottime() + WALL_S,
        )

    def arrive(self, at: ScriptedSocket, frame: CanFrame) -> None:
        at.arrive(frame, wall=self.clock.boottime() + WALL_S)

    async def wait(self, seconds: float) -> None:
        await self.clock.wait_until(self.clock.boottime() + seconds)

    async def hear_for(self, seconds: float, *, each_s: float) -> None:
        for _ in range(round(seconds / each_s)):
            self.arrive(self.main, WANTED)
            await self.wait(each_s)


def on_simulated_time(test: Callable[[SimulatedBench], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        bench = SimulatedBench()
        await bench.port.open()
        await test(bench)
        await bench.port.close()

    run_simulated(run())


async def start_pausing(bench: SimulatedBench) -> None:
    await bench.hear_for(0.5, each_s=0.01)
    bench.port.catch_up()
    bench.looks = 0


def test_in_a_pause_there_is_one_look_for_each() -> None:
    async def test(bench: SimulatedBench) -> None:
        await start_pausing(bench)
        for _ in range(5):
            bench.port.catch_up()
        await bench.hear_for(25 * PAUSE_S, each_s=0.01)
        assert bench.looks == pytest.approx(5 + 25, abs=1)

    on_simulated_time(test)


def test_after_a_failure_there_is_no_look() -> None:
    async def test(bench: SimulatedBench) -> None:
        await start_pausing(bench)
        bench.main.fail(errno.ENETDOWN)
        bench.port.catch_up()
        await bench.hear_for(10 * PAUSE_S, each_s=0.01)
        assert bench.looks == 0

    on_simulated_time(test)
