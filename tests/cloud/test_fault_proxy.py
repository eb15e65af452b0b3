"""The proxy does what it says: a fault that does not happen would make every table look well."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from tcu_sim.faults.packets import Packets, shuffled
from tcu_sim.faults.proxy import LOOPBACK, Proxy

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Ends:
    """A client and a server with the proxy between them."""

    def __init__(self, proxy: Proxy, served: asyncio.Queue[Pair]) -> None:
        self.proxy = proxy
        self.opened: list[Pair] = []
        self._served = served

    async def connect(self) -> tuple[Pair, Pair]:
        client = await self.knock()
        server = await self._served.get()
        self.opened.append(server)
        return client, server

    async def knock(self) -> Pair:
        client = await asyncio.open_connection(LOOPBACK, self.proxy.port)
        self.opened.append(client)
        return client

    async def close(self) -> None:
        for _, writer in self.opened:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    served: asyncio.Queue[Pair] = asyncio.Queue()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.put_nowait((reader, writer))

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    async with Proxy(server.sockets[0].getsockname()[1]).running() as proxy:
        both = Ends(proxy, served)
        try:
            yield both
        finally:
            await both.close()
    server.close()
    await server.wait_closed()


def play(body: Callable[[Ends], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), ends() as both:
            await body(both)

    asyncio.run(main())


async def closed(pair: Pair) -> bool:
    """Whether the connection ends now, in whatever way."""
    try:
        ended = await pair[0].read() == b""
    except ConnectionError:
        ended = True
    return ended


def test_without_a_fault_everything_passes_both_ways() -> None:
    async def body(both: Ends) -> None:
        client, server = await both.connect()
        client[1].write(b"up")
        assert await server[0].readexactly(2) == b"up"
        server[1].write(b"down" * 10_000)
        assert await client[0].readexactly(40_000) == b"down" * 10_000
        server[1].close()
        assert await closed(client)

    play(body)


def test_a_cut_in_the_middle_passes_so_many_bytes_and_ends_both_sides() -> None:
    async def body(both: Ends) -> None:
        client, server = await both.connect()
        both.proxy.faults.cut_after_bytes = 3
        client[1].write(b"abcdef")
        assert await server[0].readexactly(3) == b"abc"
        assert await closed(server)
        assert await closed(client)

    play(body)


def test_a_deaf_way_passes_nothing_and_ends_nothing_and_never_hears_again() -> None:
    async def body(both: Ends) -> None:
        client, server = await both.connect()
        client[1].write(b"!")
        assert await server[0].readexactly(1) == b"!"
        both.proxy.swallow()
        client[1].write(b"into the void")
        server[1].write(b"into the void")
        both.proxy.faults.swallows = False
        fresh_client, fresh_server = await both.connect()
        fresh_client[1].write(b"heard")
        assert await fresh_server[0].readexactly(5) == b"heard"
        client[1].write(b"still deaf")
        for side in (client, server):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await side[0].read(1)

    play(body)


def test_delay_and_rate_take_their_time() -> None:
    async def body(both: Ends) -> None:
        client, server = await both.connect()
        both.proxy.faults.delay_s = 0.2
        began = time.monotonic()
        client[1].write(b"x")
        await server[0].readexactly(1)
        assert time.monotonic() - began >= 0.2
        both.proxy.faults.delay_s = 0.0
        both.proxy.faults.bytes_per_s = 1000
        began = time.monotonic()
        client[1].write(bytes(300))
        await server[0].readexactly(300)
        assert time.monotonic() - began >= 0.2

    play(body)


def test_down_means_that_nobody_gets_in() -> None:
    async def body(both: Ends) -> None:
        both.proxy.faults.is_down = True
        assert await closed(await both.knock())

    play(body)


def packet(kind: int, body: bytes) -> bytes:
    return bytes([kind << 4, len(body)]) + body


def test_packets_are_taken_apart_however_they_arrive() -> None:
    stream = packet(3, b"one") + packet(4, b"") + bytes([0x30, 0x80, 0x01]) + bytes(128)
    packets = Packets()
    found = [each for at in range(len(stream)) for each in packets.feed(stream[at : at + 1])]
    assert found == [packet(3, b"one"), packet(4, b""), stream[-131:]]


def test_shuffling_changes_the_order_repeats_and_loses_nothing() -> None:
    publications = [packet(3, b"%03d" % number) for number in range(200)]
    tamper = shuffled(Random(1), most_s=1.0, twice=0.3)()
    pieces = sorted((delay, piece) for each in publications for delay, piece in tamper(each))
    came = [bytes([piece[0] & ~0x08]) + piece[1:] for _, piece in pieces]
    first_comings = list(dict.fromkeys(came))
    assert sorted(first_comings) == publications
    assert first_comings != publications
    assert 30 < len(came) - len(publications) < 90
    assert sum(bool(piece[0] & 0x08) for _, piece in pieces) == len(came) - len(publications)
    assert list(shuffled(Random(1), most_s=1.0, twice=1.0)()(packet(4, b"ack"))) == [
        (0.0, packet(4, b"ack"))
    ]
