"""A TCP proxy whose faults are set while it runs.

Bytes pass as they are, unless a `Tamper` takes the stream apart (`tcu_sim.faults.packets`). Each direction is a queue
ordered by the time at which something is due, so a delay that differs from packet to packet reorders them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 16_384
SLICE_BYTES = 64
"""What goes out in one go where the rate is limited: the slower, the finer."""

Tamper = Callable[[bytes], Iterable[tuple[float, bytes]]]
"""Takes a chunk of a stream, gives what to send instead: delay in seconds, bytes."""


@dataclass(slots=True)
class Faults:
    """What is wrong with the way now. `cut_after_bytes`: of what the client sends; then every connection is cut."""

    is_down: bool = False
    swallows: bool = False
    """Takes everything and passes nothing on; says nothing to either side."""
    delay_s: float = 0.0
    """In each direction."""
    bytes_per_s: float | None = None
    """In each direction."""
    cut_after_bytes: int | None = None


@dataclass(slots=True, eq=False)
class _Leg:
    """One direction of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tamper: Tamper | None
    is_up: bool
    due: list[tuple[float, int, bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0
    has_ended: bool = False


class Proxy:
    """Listens on a port of the loopback and connects on. `upstream` may be changed while it runs."""

    def __init__(
        self,
        upstream: int,
        *,
        up: Callable[[], Tamper] | None = None,
        down: Callable[[], Tamper] | None = None,
    ) -> None:
        self.upstream = upstream
        self.port = 0
        self.faults = Faults()
        self.up, self.down = up, down
        """Make the tampering for a new connection."""
        self.accepted_at: list[float] = []
        """When a client connected, by the event loop's clock."""
        self._connections: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Listen until the end of the block; then nothing of it is left."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    def cut(self) -> None:
        """Cut every connection on both sides, without a word."""
        for client, broker in list(self._connections):
            client.transport.abort()
            broker.transport.abort()

    def swallow(self) -> None:
        """Let every connection there is go deaf for good; both sides believe that it lives."""
        self.faults.swallows = True
        self._deaf |= {writer for pair in self._connections for writer in pair}

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_on(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted_at.append(asyncio.get_running_loop().time())
        try:
            if self.faults.is_down:
                raise ConnectionRefusedError
            from_broker, broker = await asyncio.open_connection(LOOPBACK, self.upstream)
        except OSError:
            client.transport.abort()
            return
        pair = client, broker
        self._connections.add(pair)
        if self.faults.swallows:
            self._deaf |= set(pair)
        up = _Leg(reader, broker, self.up and self.up(), is_up=True)
        down = _Leg(from_broker, client, self.down and self.down(), is_up=False)
        works = (self._read(up), self._write(up), self._read(down), self._write(down))
        try:
            await _first_of(works)
        finally:
            self._connections.discard(pair)
            self._deaf -= set(pair)
            for side in pair:
                side.transport.abort()

    async def _read(self, leg: _Leg) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await leg.reader.read(CHUNK_BYTES):
            if leg.writer in self._deaf:
                continue
            chunk, is_last = self._shortened(chunk, leg)
            pieces = leg.tamper(chunk) if leg.tamper else ((0.0, chunk),)
            for delay_s, piece in pieces:
                leg.count += 1
                due = loop.time() + self.faults.delay_s + delay_s
                heapq.heappush(leg.due, (due, leg.count, piece))
            leg.has_ended = is_last
            leg.news.set()
            if is_last:
                break
        leg.has_ended = True
        leg.news.set()
        await asyncio.Event().wait()  # the writing side ends the connection once all is out

    def _shortened(self, chunk: bytes, leg: _Leg) -> tuple[bytes, bool]:
        left = self.faults.cut_after_bytes
        if not leg.is_up or left is None:
            return chunk, False
        self.faults.cut_after_bytes = max(left - len(chunk), 0)
        return chunk[:left], len(chunk) >= left

    async def _write(self, leg: _Leg) -> None:
        loop = asyncio.get_running_loop()
        while leg.due or not leg.has_ended:
            if not leg.due:
                leg.news.clear()
                await leg.news.wait()
                continue
            if (wait_s := leg.due[0][0] - loop.time()) > 0:
                leg.news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await leg.news.wait()
                continue
            _, _, piece = heapq.heappop(leg.due)
            await self._send(leg, piece)

    async def _send(self, leg: _Leg, piece: bytes) -> None:
        rate = self.faults.bytes_per_s
        step = len(piece) if rate is None else SLICE_BYTES
        for start in range(0, len(piece), step or 1):
            if leg.writer in self._deaf:
                return
            part = piece[start : start + step]
            leg.writer.write(part)
            await leg.writer.drain()
            if rate is not None:
                await asyncio.sleep(len(part) / rate)


async def _first_of(works: Iterable[object]) -> None:
    """Run all until the first one ends, for whatever reason."""
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]  # coroutines
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
