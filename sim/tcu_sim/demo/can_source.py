"""The observer's own node on the bus: python-can in a thread, frames handed to the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import can
from can.interfaces.slcan import slcanBus

from tcu_sim.bus.socketcan import enlarge_receive_buffer
from tcu_sim.errors import BadInput, BusUnreachable

READ_TIMEOUT_S = 0.2
"""How long a read may take before the thread looks whether it shall end."""

OPEN_TIMEOUT_S = 2.0
OLDEST_STAMP_S = 5.0
"""A stamp older than that, or in the future, is of another clock or from before a jump of it."""


@dataclass(frozen=True, slots=True)
class CanEnds:
    """The two ends of a bus, as ``interface:channel``: the agent's, and that of vehicle and observer."""

    agent: str
    others: str


Take = Callable[[int, bytes, float], None]
"""Takes identifier, data, and when the frame arrived (`time.monotonic()`, by the kernel's stamp where it gives one)."""


def bus_options(address: str) -> dict[str, Any]:
    """Return python-can's options for ``interface:channel``.

    Raises:
        BadInput: not of that form.
    """
    interface, colon, channel = address.partition(":")
    if not (interface and colon and channel):
        raise BadInput(
            f"--can {address}: write interface:channel, such as socketcan:vcan0 or slcan:can-bus/it"
        )
    options: dict[str, Any] = {"interface": interface, "channel": channel}
    if interface == "slcan":
        options |= {"sleep_after_open": 0, "bitrate": 500_000}
    return options


@contextmanager
def frames_of(address: str, take: Take, failed: Callable[[Exception], None]) -> Iterator[None]:
    """Hand every standard data frame to `take`, on the running loop, while the context lasts.

    Raises:
        BusUnreachable: the bus cannot be opened.
    """
    try:
        bus = can.Bus(**bus_options(address))
    except (can.CanError, OSError, ValueError) as error:
        raise BusUnreachable(f"{address}: {error}") from error
    enlarge_receive_buffer(bus)
    _await_adapter(bus)
    ended = threading.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            while not ended.is_set():
                message = bus.recv(READ_TIMEOUT_S)
                if message is not None and not (
                    message.is_error_frame or message.is_remote_frame or message.is_extended_id
                ):
                    data, at = bytes(message.data), _arrived(message)
                    loop.call_soon_threadsafe(take, message.arbitration_id, data, at)
        except (can.CanError, OSError, ValueError) as error:
            if not ended.is_set():
                loop.call_soon_threadsafe(failed, error)

    thread = threading.Thread(target=read, name="can-reader")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        bus.shutdown()


def _arrived(message: can.Message) -> float:
    age_s = time.time() - message.timestamp
    return time.monotonic() - (age_s if 0.0 <= age_s <= OLDEST_STAMP_S else 0.0)


def _await_adapter(bus: can.BusABC) -> None:
    """An slcan adapter answers in order: after this answer it has taken the command to open."""
    if isinstance(bus, slcanBus):
        bus.get_version(OPEN_TIMEOUT_S)
