"""The agent's ways to open an interface of SocketCAN; each keeps the contract of the CAN port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tcu_agent.adapters.can.bus import CanInterface, PythonCanBus
from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.ports import CanFrame, CanPort
from tests.socketcan.foreign import WAIT_S


class CountingPort(CanPort, Protocol):
    """A port that says what it has counted."""

    def counters(self) -> BusCounters:
        """Return what was counted so far."""


def _python_can(channel: str) -> CountingPort:
    return PythonCanBus(name="body", interface=CanInterface(interface="socketcan", channel=channel))


def _our_own(channel: str) -> CountingPort:
    return SocketCanBus(name="body", channel=channel)


PORTS: dict[str, Callable[[str], CountingPort]] = {
    "python-can": _python_can,
    "socketcan": _our_own,
}
"""By name; makes one on an interface."""
Test = Callable[[CountingPort], Coroutine[Any, Any, None]]


def on(port: CountingPort, test: Test) -> None:
    """Run a test on the open port."""

    async def run() -> None:
        await port.open()
        try:
            await test(port)
        finally:
            await port.close()

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


async def take(port: CanPort, count: int) -> list[CanFrame]:
    """Return data frames, `count` at least."""
    frames: list[CanFrame] = []
    while len(frames) < count:
        frames += [one for one in await port.receive() if not one.is_error_frame]
    return frames


def text(frame: CanFrame) -> str:
    """Return a classic frame as cansend takes it."""
    number = f"{frame.arbitration_id:0{8 if frame.is_extended_id else 3}X}"
    return f"{number}#{'R' if frame.is_remote_frame else frame.data.hex().upper()}"
