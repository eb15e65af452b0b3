"""Every CAN port keeps the same promises: on `virtual`, slcan, scripted sockets, and on vcan where there is one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame, CanPort
from tests.can.peers import PEERS, WAIT_S, CountingPort, Peer, peer_of

Test = Callable[[CountingPort], Coroutine[Any, Any, None]]


@pytest.fixture(params=sorted(PEERS))
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with peer_of(request.param) as made:
        yield made


def on(peer: Peer, test: Test) -> None:
    """Run a test on an open port."""

    async def run() -> None:
        port = peer.port()
        implements_the_port: CanPort = port
        assert implements_the_port.name == "body"
        await port.open()
        try:
            await test(port)
        finally:
            await port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


async def take(port: CanPort, count: int) -> list[CanFrame]:
    frames: list[CanFrame] = []
    while len(frames) < count:
        frames += await port.receive()
    return frames


def bare(frame: CanFrame) -> tuple[int, bytes, bool, bool]:
    return frame.arbitration_id, frame.data, frame.is_extended_id, frame.is_remote_frame


def test_frames_arrive_in_order_and_whole(peer: Peer) -> None:
    sent = [
        CanFrame(0x123, b"\x01\x02\x03"),
        CanFrame(0x123, b"", is_extended_id=True),
        CanFrame(0x1FFFFFFF, bytes(range(8)), is_extended_id=True),
        CanFrame(0x7FF, b"", is_remote_frame=True),
        *(CanFrame(0x100 + step, bytes([step])) for step in range(200)),
    ]

    async def test(port: CountingPort) -> None:
        for frame in sent:
            peer.send(frame)
        assert [bare(one) for one in await take(port, len(sent))] == [bare(one) for one in sent]
        assert port.counters().received == len(sent)
        assert port.counters().dropped == 0

    on(peer, test)


def test_times_are_on_the_clock_that_counts_suspend(peer: Peer) -> None:
    async def test(port: CountingPort) -> None:
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        peer.send(CanFrame(1, b"\x01"))
        (frame,) = await take(port, 1)
        assert before - 0.1 <= frame.timestamp_s <= time.clock_gettime(time.CLOCK_BOOTTIME)

    on(peer, test)


def test_what_is_sent_arrives_once_and_does_not_come_back(peer: Peer) -> None:
    frames = [CanFrame(0x0A0, bytes(range(8))), CanFrame(0x18FF0001, b"\x07", is_extended_id=True)]

    async def test(port: CountingPort) -> None:
        for frame in frames:
            await port.send(frame, timeout_s=1.0)
        arrived = [await asyncio.to_thread(peer.received) for _ in frames]
        assert [bare(one) for one in arrived] == [bare(one) for one in frames]
        peer.send(CanFrame(0x7E, b"\x01"))
        assert [one.arbitration_id for one in await take(port, 1)] == [0x7E]
        assert port.counters().sent == 2

    on(peer, test)


def test_sending_and_receiving_at_once(peer: Peer) -> None:
    async def test(port: CountingPort) -> None:
        async def send() -> None:
            for step in range(100):
                await port.send(CanFrame(0x200, bytes([step])), timeout_s=1.0)

        def answer() -> list[int]:
            seen = []
            for _ in range(100):
                frame = peer.received()
                seen.append(frame.data[0])
                peer.send(CanFrame(0x300, frame.data))
            return seen

        _, seen, answered = await asyncio.gather(send(), asyncio.to_thread(answer), take(port, 100))
        assert seen == [one.data[0] for one in answered] == list(range(100))

    on(peer, test)


def test_a_bus_that_goes_away_is_a_temporary_error(peer: Peer) -> None:
    async def test(port: CountingPort) -> None:
        peer.vanish()
        with pytest.raises(CanTransportError) as caught:
            await port.receive()
        assert caught.value.temporary
        assert not caught.value.may_have_happened
        assert "CAN bus 'body'" in str(caught.value)

    on(peer, test)


def test_closed_is_closed_and_can_be_opened_again(peer: Peer) -> None:
    async def test(port: CountingPort) -> None:
        waiting = asyncio.create_task(port.receive())
        await asyncio.sleep(0)
        await port.close()
        with pytest.raises(CanTransportError, match="is not open"):
            await waiting
        with pytest.raises(CanTransportError, match="is not open"):
            await port.send(CanFrame(1, b""), timeout_s=0.1)
        await port.close()
        await port.open()
        peer.send(CanFrame(5, b"\x05"))
        assert [one.arbitration_id for one in await take(port, 1)] == [5]

    on(peer, test)
