"""What is sent on SocketCAN goes out once or never, in time, and the answer says which. The kernel is scripted."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tcu_agent.adapters.can.faults import BUS_OFF, bus_state
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tests.can.peers import WAIT_S
from tests.can.scripted_sockets import ScriptedController, ScriptedSocket, scripted_sockets

UNLOCK = CanFrame(0x0A0, b"\x01\x02")
LATER = CanFrame(0x0A1, b"\x03")
OFF = CanFrame(0x40, bytes(8), is_error_frame=True)
RESTARTED = CanFrame(0x100, bytes(8), is_error_frame=True)


class Bench:
    """One open port on a scripted socket. `boot`: CLOCK_BOOTTIME."""

    def __init__(self, *, echoes: bool = True, is_off: bool = False) -> None:
        self.socket = ScriptedSocket(echoes=echoes)
        self.boot = 1000.0
        self.controller = ScriptedController()
        self.port = SocketCanBus(
            name="body",
            channel="can0",
            open_them=lambda: scripted_sockets(
                self.socket, controller=self.controller, is_off=is_off
            ),
            boottime=lambda: self.boot,
            wall=lambda: self.boot,
        )

    @property
    def sent(self) -> list[CanFrame]:
        return list(self.socket.sent.queue)

    async def let_in(self, frame: CanFrame, **how: Any) -> None:
        """Let a frame in, and wait until the port has seen it."""
        self.socket.arrive(frame, wall=self.boot, **how)
        await self.port.receive()

    async def until_sent(self, count: int) -> None:
        while len(self.sent) < count:  # noqa: ASYNC110 -- turns of the loop, in which it is sent
            await asyncio.sleep(0)


def on(test: Callable[[Bench], Coroutine[Any, Any, None]], **options: bool) -> None:
    async def run() -> None:
        bench = Bench(**options)
        await bench.port.open()
        try:
            await test(bench)
        finally:
            await bench.port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def refuse(bench: Bench, number: int, times: int = 1) -> None:
    bench.socket.refusals.extend(OSError(number, os.strerror(number)) for _ in range(times))


async def fails(sending: Coroutine[Any, Any, None], match: str, *, may_have_happened: bool) -> None:
    with pytest.raises(CanTransportError, match=match) as caught:
        await sending
    assert caught.value.temporary
    assert caught.value.may_have_happened is may_have_happened
    assert "CAN bus 'body' (socketcan can0)" in str(caught.value)


# ------------------------------------------------------------------ room in the driver


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EAGAIN])
def test_a_full_queue_is_waited_for_and_the_frame_goes_out_once(number: int) -> None:
    async def test(bench: Bench) -> None:
        refuse(bench, number, 3)
        await bench.port.send(UNLOCK, timeout_s=WAIT_S)
        assert bench.sent == [UNLOCK]
        assert bench.port.counters().sent == 1

    on(test)


def test_no_room_until_the_deadline_is_a_clear_failure_and_nothing_was_sent() -> None:
    async def test(bench: Bench) -> None:
        refuse(bench, errno.ENOBUFS, 10_000)
        sending = bench.port.send(UNLOCK, timeout_s=0.02)
        await fails(sending, "waited 0.02 s for room", may_have_happened=False)
        bench.socket.refusals.clear()
        await bench.port.send(LATER, timeout_s=1.0)
        assert bench.sent == [LATER]

    on(test)


def test_a_suspend_while_it_waits_for_room_uses_up_its_time() -> None:
    """The event loop's clock stands still in a suspend; the command's deadline does not."""

    async def test(bench: Bench) -> None:
        refuse(bench, errno.ENOBUFS, 10_000)
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=60.0))
        await asyncio.sleep(0)
        bench.boot += 3600.0
        bench.socket.refusals.clear()
        await fails(_of(sending), "room", may_have_happened=False)
        assert bench.sent == []

    on(test)


@pytest.mark.parametrize("number", [errno.ENETDOWN, errno.ENODEV, errno.ENXIO, errno.EINVAL])
def test_what_the_kernel_refuses_was_not_sent(number: int) -> None:
    async def test(bench: Bench) -> None:
        refuse(bench, number)
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "was not sent", may_have_happened=False)
        assert bench.sent == []

    on(test)


# ------------------------------------------------------------------ on the bus, or not


def test_it_is_sent_when_it_was_seen_on_the_bus_and_not_before() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await bench.until_sent(1)
        bench.socket.echo(LATER)  # not the one we wait for
        await bench.let_in(CanFrame(0x7E, b""))
        assert not sending.done()
        bench.socket.echo(UNLOCK)
        await sending
        assert bench.sent == [UNLOCK]

    on(test, echoes=False)


def test_a_frame_that_nobody_acknowledges_may_have_happened_and_is_not_sent_again() -> None:
    async def test(bench: Bench) -> None:
        sending = bench.port.send(UNLOCK, timeout_s=0.02)
        await fails(sending, "was not seen on the bus", may_have_happened=True)
        assert bench.sent == [UNLOCK]

    on(test, echoes=False)


def test_nothing_is_handed_over_behind_a_frame_that_still_waits_in_the_driver() -> None:
    """A command in that queue would act when somebody acknowledges again, long after it was wanted."""

    async def test(bench: Bench) -> None:
        await fails(bench.port.send(LATER, timeout_s=0.01), "not seen", may_have_happened=True)
        sending = bench.port.send(UNLOCK, timeout_s=0.01)
        await fails(sending, "nobody acknowledges", may_have_happened=False)
        assert bench.sent == [LATER]
        bench.socket.echo(LATER)
        bench.socket.echoes = True
        await bench.port.send(UNLOCK, timeout_s=WAIT_S)
        assert bench.sent == [LATER, UNLOCK]

    on(test, echoes=False)


def test_two_at_once_go_out_one_after_the_other() -> None:
    async def test(bench: Bench) -> None:
        first = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        second = asyncio.create_task(bench.port.send(LATER, timeout_s=WAIT_S))
        await bench.until_sent(1)
        await bench.let_in(CanFrame(0x7E, b""))
        assert bench.sent == [UNLOCK]
        bench.socket.echo(UNLOCK)
        await bench.until_sent(2)
        bench.socket.echo(LATER)
        await asyncio.gather(first, second)

    on(test, echoes=False)


def test_who_is_cancelled_while_a_frame_is_under_way_blocks_nobody() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await bench.until_sent(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        bench.socket.echo(UNLOCK)
        bench.socket.echoes = True
        await bench.port.send(LATER, timeout_s=WAIT_S)
        assert bench.sent == [UNLOCK, LATER]

    on(test, echoes=False)


# ------------------------------------------------------------------ the controller, the interface


def test_bus_off_under_way_may_have_happened_and_is_told_at_once() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        bench.socket.arrive(OFF)
        await fails(_of(sending), "went off the bus", may_have_happened=True)

    on(test, echoes=False)


@pytest.mark.parametrize(
    ("controller", "is_told"),
    [
        (ScriptedController(off=True), True),  # the flag may be a second behind
        (ScriptedController(running=False, off=True), False),  # it was told before we came
        (ScriptedController(running=False), False),
    ],
)
def test_while_the_controller_is_off_nothing_is_sent(
    controller: ScriptedController, is_told: bool
) -> None:
    """The kernel would swallow it without a word."""

    async def test(bench: Bench) -> None:
        bench.controller.running, bench.controller.off = controller.running, controller.off
        if is_told:
            await bench.let_in(OFF)
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)
        assert bench.sent == []

    on(test)


@pytest.mark.parametrize("sign", ["restarted", "heard", "asked"])
def test_after_bus_off_it_sends_again_by_itself(sign: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.let_in(OFF)
        bench.boot += 0.1
        # "asked": a driver that does not tell of its restart; else one that must not be asked.
        bench.controller.off = sign != "asked"
        if sign != "asked":
            await bench.let_in(RESTARTED if sign == "restarted" else CanFrame(0x7E, b""))
        await bench.port.send(UNLOCK, timeout_s=1.0)
        assert bench.sent == [UNLOCK]

    on(test)


def test_what_was_on_the_bus_before_bus_off_does_not_take_it_back() -> None:
    """Another socket has its own queue, and is looked at later."""

    async def test(bench: Bench) -> None:
        bench.controller.off = True
        await bench.let_in(OFF)
        bench.boot -= 0.05
        await bench.let_in(CanFrame(0x7E, b""))
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_a_bus_that_is_opened_while_its_controller_is_off_says_so() -> None:
    async def test(bench: Bench) -> None:
        bench.controller.off = True
        (told,) = await bench.port.receive()
        assert (told.is_error_frame, bus_state(told), told.timestamp_s) == (True, BUS_OFF, 1000.0)
        sending = bench.port.send(UNLOCK, timeout_s=1.0)
        await fails(sending, "the controller is bus-off", may_have_happened=False)

    on(test, is_off=True)


def test_the_flag_that_is_late_after_a_restart_is_waited_for() -> None:
    """Until the kernel has noticed that the controller is back, it swallows frames."""

    async def test(bench: Bench) -> None:
        bench.controller.running, bench.controller.off = False, False
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await asyncio.sleep(0)
        assert bench.sent == []
        bench.controller.running = True
        await sending
        assert bench.sent == [UNLOCK]

    on(test)


def test_an_interface_that_goes_away_under_way_may_have_happened() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        bench.socket.fail(errno.ENODEV)
        await fails(_of(sending), "interface went away", may_have_happened=True)
        with pytest.raises(CanTransportError, match="cannot be read"):
            await bench.port.receive()

    on(test, echoes=False)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENODEV, "No such device"), ValueError("a negative descriptor")]
)
def test_an_interface_that_is_pulled_while_we_ask_for_it_was_not_sent_to(error: OSError) -> None:
    async def test(bench: Bench) -> None:
        await bench.let_in(OFF)
        bench.controller.error = error
        await fails(bench.port.send(UNLOCK, timeout_s=1.0), "was not sent", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_closing_while_one_waits_for_room_is_a_clear_failure() -> None:
    async def test(bench: Bench) -> None:
        refuse(bench, errno.ENOBUFS, 10_000)
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await asyncio.sleep(0)
        await bench.port.close()
        bench.socket.refusals.clear()
        await fails(_of(sending), "interface went away", may_have_happened=False)
        assert bench.sent == []

    on(test)


def test_closing_ends_who_waits_behind_another() -> None:
    async def test(bench: Bench) -> None:
        first = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        second = asyncio.create_task(bench.port.send(LATER, timeout_s=1e6))
        await asyncio.sleep(0)
        await bench.port.close()
        await fails(_of(first), "interface went away", may_have_happened=True)
        await fails(_of(second), "interface went away", may_have_happened=False)
        assert bench.sent == [UNLOCK]

    on(test, echoes=False)


def test_closing_ends_who_waits() -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        await bench.port.close()
        await fails(_of(sending), "interface went away", may_have_happened=True)

    on(test, echoes=False)


# ------------------------------------------------------------------ an echo that never comes


@pytest.mark.parametrize("counted", [(7, 8), (None, None)])
def test_an_echo_that_was_dropped_does_not_silence_us_and_the_frame_may_have_been_sent(
    counted: tuple[int | None, int | None],
) -> None:
    async def test(bench: Bench) -> None:
        bench.controller.count, after = counted
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        bench.controller.count = after
        await bench.let_in(CanFrame(0x7E, b""), dropped=3)
        await fails(_of(sending), "its echo is lost", may_have_happened=True)
        assert (bench.port.counters().dropped, bench.port.counters().sent) == (3, 0)
        bench.socket.echoes = True
        await bench.port.send(LATER, timeout_s=WAIT_S)
        assert bench.sent == [UNLOCK, LATER]

    on(test, echoes=False)


@pytest.mark.parametrize("counted", [(7, 8), (None, None)])
def test_a_driver_without_echoes_does_not_silence_us(
    counted: tuple[int | None, int | None],
) -> None:
    async def test(bench: Bench) -> None:
        bench.controller.count, after = counted
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        bench.controller.count = after
        bench.boot += 0.9
        await bench.let_in(CanFrame(0x7E, b""))
        assert not sending.done()
        bench.boot += 0.2
        await bench.let_in(CanFrame(0x7E, b""))
        await fails(_of(sending), "its echo is lost", may_have_happened=True)

    on(test, echoes=False)


@pytest.mark.parametrize("is_counted", [True, False])
def test_nothing_is_handed_over_behind_a_frame_that_a_babbling_node_holds_back(
    is_counted: bool,
) -> None:
    """Others are heard for ever, and our buffer may be full; the command would act when the babbling ends."""

    async def test(bench: Bench) -> None:
        bench.controller.count = 7 if is_counted else None
        bench.socket.echoes = True
        await bench.port.send(LATER, timeout_s=WAIT_S)
        bench.socket.echoes = False
        await fails(bench.port.send(LATER, timeout_s=0.01), "not seen", may_have_happened=True)
        for _ in range(5):
            bench.boot += 2.0
            await bench.let_in(CanFrame(0x000, b""), dropped=3 if is_counted else None)
        sending = bench.port.send(UNLOCK, timeout_s=0.01)
        await fails(sending, "nobody acknowledges", may_have_happened=False)
        assert bench.sent == [LATER, LATER]

    on(test)


async def _of(task: asyncio.Task[None]) -> None:
    await task
