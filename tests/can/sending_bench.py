"""An open SocketCAN port whose kernel is scripted, for tests of what becomes of a frame."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

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


async def outcome(task: asyncio.Task[None]) -> None:
    """Await what a task raises."""
    await task
