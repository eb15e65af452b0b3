"""Every port on SocketCAN keeps the contract with can-utils at the other end, and survives what becomes of links."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from tcu_agent.adapters.can.socketcan.sockets import RECEIVE_BUFFER_BYTES
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tests.socketcan.bench import Bench, bring_up, take_down, traffic
from tests.socketcan.foreign import WAIT_S, Candump, babbling, cansend
from tests.socketcan.ports import PORTS, CountingPort, on, take, text

BURST_FRAMES = 200
"""A tenth of a second of a full bus; the kernel's usual buffer holds 278."""
FLOOD_FRAMES = 7_000
FULL_SOCKET_FRAMES = 2 * RECEIVE_BUFFER_BYTES // 768 * 5 // 4
"""A quarter more than the agent's socket holds: the kernel doubles what is asked for, and counts 768 bytes a frame."""
SENT = [
    CanFrame(0x123, b"\x01\x02\x03"),
    CanFrame(0x123, b"", is_extended_id=True),
    CanFrame(0x1FFFFFFF, bytes(range(8)), is_extended_id=True),
    CanFrame(0x7FF, b"\xff" * 8),
    CanFrame(0x000, b""),
]


async def listens_again(port: CountingPort, bench: Bench) -> None:
    """Open the port until that works, as the agent does, and hear a frame."""
    while True:
        try:
            await port.open()
            cansend(bench.far, "7E5#05")
            assert [one.arbitration_id for one in await take(port, 1)] == [0x7E5]
        except CanTransportError as error:
            if not error.temporary:
                raise
            await asyncio.sleep(0)
        else:
            return


def test_frames_of_cansend_arrive_in_order_and_whole(port: CountingPort, bench: Bench) -> None:
    async def test(port: CountingPort) -> None:
        remote = CanFrame(0x7FD, b"", is_remote_frame=True)
        await asyncio.to_thread(cansend, bench.far, *map(text, [*SENT, remote]))
        assert [text(one) for one in await take(port, 6)] == [text(one) for one in [*SENT, remote]]

    on(port, test)


def test_candump_sees_what_was_sent_once_and_in_order(
    port: CountingPort, bench: Bench, dump: Candump
) -> None:
    async def test(port: CountingPort) -> None:
        mark = dump.mark()
        for frame in SENT:
            await port.send(frame, timeout_s=10.0)
        cansend(bench.far, "7E6#06")  # after ours
        seen = await asyncio.to_thread(dump.texts, mark, bench.far, len(SENT) + 1)
        assert seen == [*map(text, SENT), "7E6#06"]
        assert [one.arbitration_id for one in await take(port, 1)] == [0x7E6]  # none of its own
        assert port.counters().sent == len(SENT)

    on(port, test)


def test_times_are_on_the_clock_that_counts_suspend(port: CountingPort, bench: Bench) -> None:
    async def test(port: CountingPort) -> None:
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        cansend(bench.far, "001#01")
        (frame,) = await take(port, 1)
        assert before - 0.1 <= frame.timestamp_s <= time.clock_gettime(time.CLOCK_BOOTTIME)

    on(port, test)


def test_a_burst_of_cangen_is_received_whole(port: CountingPort, bench: Bench) -> None:
    async def test(port: CountingPort) -> None:
        heard = asyncio.create_task(take(port, BURST_FRAMES))
        options = f"-g 0 -p 1000 -I 321 -L 8 -D i -n {BURST_FRAMES}"
        with babbling(bench.far, *options.split()) as cangen:
            assert await asyncio.to_thread(cangen.wait, WAIT_S) == 0
        numbers = [int.from_bytes(one.data, "little") for one in await heard]
        assert numbers == list(range(numbers[0], numbers[0] + BURST_FRAMES))

    on(port, test)


def test_what_our_own_port_loses_in_a_flood_it_counts(bench: Bench, dump: Candump) -> None:
    """As fast as the driver takes it, and nobody fetches it; python-can's loses frames without a word.

    No bit rate holds an emulated controller back: on a busy machine the kernel itself cannot follow it and throws
    frames away between driver and sockets (net.core.netdev_max_backlog). None of those is the port's to count; the
    kernel has counted them. So the flood goes on until more has reached the socket than it can hold. The next test
    begins when candump has written it all.
    """

    async def test(port: CountingPort) -> None:
        before, far = traffic(bench.agent), traffic(bench.far)
        while (traffic(bench.agent) - before).delivered < FULL_SOCKET_FRAMES:
            options = f"-g 0 -p 1000 -I 321 -L 8 -D i -n {FLOOD_FRAMES}"
            with babbling(bench.far, *options.split()) as cangen:
                assert cangen.wait(WAIT_S) == 0  # and our own event loop stands still meanwhile
        await port.receive()
        cansend(bench.far, "322#00")  # what was dropped is told with the next frame
        while 0x322 not in {one.arbitration_id for one in await port.receive()}:
            pass
        counted, came = port.counters(), traffic(bench.agent) - before
        sent = (traffic(bench.far) - far).sent
        assert came.received == sent or (came.overruns and came.received < sent)
        # Each overrun of the controller is told to the socket by an error frame of its own.
        told = counted.received + counted.dropped - came.delivered
        assert 0 <= told <= came.overruns, (counted, came)
        assert counted.dropped > 0

    on(PORTS["socketcan"](bench.agent), test)
    mark = -1
    while mark != (mark := dump.mark()):
        dump.wait(lambda: False, timeout_s=1.0)


def test_a_link_that_goes_down_and_up_is_a_temporary_error(
    port: CountingPort, bench: Bench
) -> None:
    async def test(port: CountingPort) -> None:
        take_down(bench.agent)
        try:
            with pytest.raises(CanTransportError) as caught:
                await take(port, 1)
            assert caught.value.temporary
            with pytest.raises(CanTransportError) as caught:
                await port.send(CanFrame(1, b""), timeout_s=0.2)
            assert caught.value.temporary
            assert not caught.value.may_have_happened
        finally:
            bring_up(bench.agent)
        await listens_again(port, bench)

    on(port, test)


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
def test_an_interface_that_goes_away_and_comes_back_is_a_temporary_error(
    port: CountingPort, bench: Bench
) -> None:
    async def test(port: CountingPort) -> None:
        bench.pull()
        try:
            with pytest.raises(CanTransportError) as caught:
                await take(port, 1)
            assert caught.value.temporary
            with pytest.raises(CanTransportError) as caught:
                await port.open()
            assert caught.value.temporary
        finally:
            bench.plug()
        gc.collect()  # python-can forgets the socket of an interface that is not there, and says so here
        await listens_again(port, bench)

    on(port, test)


def test_closed_is_closed_and_can_be_opened_again(port: CountingPort, bench: Bench) -> None:
    async def test(port: CountingPort) -> None:
        waiting = asyncio.create_task(port.receive())
        await asyncio.sleep(0)
        await port.close()
        with pytest.raises(CanTransportError, match="is not open"):
            await waiting
        with pytest.raises(CanTransportError, match="is not open"):
            await port.send(CanFrame(1, b""), timeout_s=0.1)
        await listens_again(port, bench)

    on(port, test)
