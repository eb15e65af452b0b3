"""Opens and closes a python-can bus in a thread, and leaves nothing half open behind.

Also when whoever asked has been cancelled in the middle: python-can complains of a forgotten bus with a traceback.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import can


async def open_bus(arguments: Mapping[str, Any]) -> can.BusABC:
    """Return an open bus; whatever `can.Bus` raises comes out as it is."""
    opening = _Opening(arguments)
    try:
        return await asyncio.to_thread(opening.run)
    except asyncio.CancelledError:
        opening.give_up()
        raise


async def close_bus(bus: can.BusABC | None, reader: threading.Thread | None) -> None:
    """Wait for the bus's reader and shut the bus down; never raises, and goes on when this is cancelled."""
    if bus is not None or reader is not None:
        await asyncio.to_thread(_close, bus, reader)


class _Opening:
    """One attempt. Either its bus is handed over, or it is shut down: by whichever thread comes last."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._lock = threading.Lock()
        self._bus: can.BusABC | None = None
        self._is_given_up = False

    def run(self) -> can.BusABC:
        """Open; this is for a thread."""
        bus = can.Bus(**self._arguments)
        with self._lock:
            self._bus = bus
            if self._is_given_up:
                _shut_down(bus)
        return bus

    def give_up(self) -> None:
        """Nobody takes the bus."""
        with self._lock:
            self._is_given_up = True
            if self._bus is not None:
                _shut_down(self._bus)


def _close(bus: can.BusABC | None, reader: threading.Thread | None) -> None:
    if reader is not None:
        reader.join()
    if bus is not None:
        _shut_down(bus)


def _shut_down(bus: can.BusABC) -> None:
    try:
        bus.shutdown()
    except (can.CanError, OSError, ValueError):
        return  # the adapter was pulled: nothing is left to close
