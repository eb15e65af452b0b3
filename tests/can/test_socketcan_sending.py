"""What is sent on SocketCAN goes out once or never, in time, and the answer says which. The kernel is scripted."""

from __future__ import annotations

import asyncio
import errno
import time

import pytest

from tcu_agent.adapters.can.socketcan.sending import FORGOTTEN_AFTER_S
from tcu_agent.adapters.can.socketcan.session import BATCH_FRAMES
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tests.can.peers import WAIT_S
from tests.can.sending_bench import LATER, OFF, UNLOCK, Bench, fails, on, outcome, refuse

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
        await fails(outcome(sending), "room", may_have_happened=False)
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


@pytest.mark.parametrize(
    "other",
    [
        CanFrame(0x0A0, b"\x01\x03"),  # an earlier command, whose echo was late
        CanFrame(0x0A0, b"\x01"),
        CanFrame(0x0A0, b"\x01\x02", is_extended_id=True),
        CanFrame(0x0A1, b"\x01\x02"),
    ],
)
def test_the_echo_of_another_frame_does_not_say_that_this_one_is_on_the_bus(
    other: CanFrame,
) -> None:
    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await bench.until_sent(1)
        bench.socket.echo(other)
        await bench.let_in(CanFrame(0x7E, b""))
        behind = bench.port.send(LATER, timeout_s=0.01)
        await fails(behind, "nobody acknowledges", may_have_happened=False)
        assert not sending.done()
        bench.socket.echo(UNLOCK)
        await sending

    on(test, echoes=False)


def test_the_echo_of_an_fd_frame_may_be_padded() -> None:
    async def test(bench: Bench) -> None:
        frame = CanFrame(0x0A0, bytes(range(1, 10)), is_fd=True)
        await bench.port.send(frame, timeout_s=WAIT_S)
        assert bench.port.counters().sent == 1

    on(test)


def test_a_frame_that_is_on_the_bus_at_once_is_known_to_have_been_sent() -> None:
    """The interface's count is that of before the frame was handed over: it may be sent before we get to ask again."""

    async def test(bench: Bench) -> None:
        bench.controller.count_of = lambda: 7 + len(bench.sent)
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(1)
        await bench.let_in(CanFrame(0x7E, b""), dropped=3)
        await fails(outcome(sending), "its echo is lost", may_have_happened=True)

    on(test, echoes=False)


@pytest.mark.parametrize("given_up_by", ["time", "bus-off", "forgotten"])
def test_a_frame_that_is_on_the_bus_after_its_sender_has_given_up_is_told(given_up_by: str) -> None:
    """Nothing takes it back from the controller: two hours later somebody acknowledges, and the doors unlock."""

    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=0.05))
        await bench.until_sent(1)
        if given_up_by == "bus-off":
            await bench.let_in(OFF)
        with pytest.raises(CanTransportError):
            await sending
        bench.boot += 7200
        if given_up_by == "forgotten":
            await bench.let_in(CanFrame(0x123, b""))
        bench.socket.echo(UNLOCK)
        (late,) = await bench.port.receive()
        assert (late.arbitration_id, late.data) == (UNLOCK.arbitration_id, UNLOCK.data)
        assert late.is_late_echo

    on(test, echoes=False)


def test_a_frame_that_a_closed_socket_has_left_behind_is_told_as_not_ours() -> None:
    """A program on this host that imitates us looks the same to the kernel, so it is not believed to be ours."""

    async def test(bench: Bench) -> None:
        bench.socket.arrive(UNLOCK, wall=bench.boot, is_of_host=True)
        (seen,) = await bench.port.receive()
        assert seen.data == UNLOCK.data
        assert not seen.is_late_echo

    on(test)


def test_a_frame_that_is_seen_while_its_sender_waits_is_nothing_to_tell() -> None:
    async def test(bench: Bench) -> None:
        await bench.port.send(UNLOCK, timeout_s=1.0)
        await bench.port.send(LATER, timeout_s=1.0)
        stranger = CanFrame(0x123, b"")
        bench.socket.arrive(stranger, wall=bench.boot)
        assert [one.arbitration_id for one in await bench.port.receive()] == [0x123]

    on(test)


def test_a_frame_whose_echo_waits_while_we_are_held_up_beyond_its_time_was_seen() -> None:
    """The echo and the end of its time are learned in one turn of the event loop."""

    async def test(bench: Bench) -> None:
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=0.02))
        await bench.until_sent(1)
        bench.socket.echo(UNLOCK)
        held_up_until = time.monotonic() + 0.04
        while time.monotonic() < held_up_until:
            pass
        await sending
        assert bench.port.counters().sent == 1

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
        await fails(outcome(sending), "its echo is lost", may_have_happened=True)
        assert (bench.port.counters().dropped, bench.port.counters().sent) == (3, 0)
        bench.socket.echoes = True
        await bench.port.send(LATER, timeout_s=WAIT_S)
        assert bench.sent == [UNLOCK, LATER]

    on(test, echoes=False)


def test_an_echo_behind_frames_of_which_some_were_dropped_is_not_given_up() -> None:
    """It lies in the socket, only further on than one turn of the event loop reads."""

    async def test(bench: Bench) -> None:
        bench.controller.count = 7
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await bench.until_sent(1)
        bench.controller.count = 8
        for _ in range(600):
            bench.socket.arrive(CanFrame(0x123, b""), wall=bench.boot, dropped=5)
        bench.socket.echo(UNLOCK)
        await sending
        seen: list[CanFrame] = []
        while len(seen) < 600:
            seen += await bench.port.receive()
        assert not any(one.is_late_echo for one in seen)

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
        await fails(outcome(sending), "its echo is lost", may_have_happened=True)

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


def test_a_frame_that_the_kernel_threw_away_does_not_silence_us_for_good() -> None:
    """As when somebody changes the queueing of the interface: no echo, nothing counted, nothing told."""

    async def test(bench: Bench) -> None:
        bench.controller.count = 7
        await bench.port.send(LATER, timeout_s=WAIT_S)
        bench.socket.echoes = False
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=1e6))
        await bench.until_sent(2)
        bench.boot += FORGOTTEN_AFTER_S - 0.1
        await bench.let_in(CanFrame(0x7E, b""))
        assert not sending.done()
        bench.boot += 0.2
        await bench.let_in(CanFrame(0x7E, b""))
        await fails(outcome(sending), "its echo is lost", may_have_happened=True)
        bench.socket.echoes = True
        await bench.port.send(LATER, timeout_s=WAIT_S)
        assert bench.sent == [LATER, UNLOCK, LATER]

    on(test)


@pytest.mark.parametrize("is_counted", [True, False])
def test_what_was_dropped_before_a_frame_was_handed_over_is_not_its_echo(is_counted: bool) -> None:
    """The socket was not emptied meanwhile, and another program of this host has sent a frame."""

    async def test(bench: Bench) -> None:
        bench.controller.count = 7 if is_counted else None
        for _ in range(BATCH_FRAMES + 1):
            bench.socket.arrive(CanFrame(0x7E, b""), wall=bench.boot, dropped=5)
        bench.port.catch_up()
        sending = asyncio.create_task(bench.port.send(UNLOCK, timeout_s=WAIT_S))
        await bench.until_sent(1)
        bench.controller.count = 8 if is_counted else None
        while not bench.port.catch_up():
            await bench.port.receive()
        bench.socket.echo(UNLOCK)
        await sending

    on(test, echoes=False)
