"""Opens and closes a python-can bus in a thread, and leaves nothing half open behind.

Also when whoever asked has been cancelled in the middle: python-can complains of a forgotten bus with a traceback.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Mapping
from typing import Any

import can

_NO_CAN = "this kernel has no CAN: load its module (modprobe can_raw), or use another interface"
_MAY_NOT = "this user may not: for a serial adapter add it to the group dialout"
_ADVICE = {
    errno.EAFNOSUPPORT: _NO_CAN,
    errno.EPROTONOSUPPORT: _NO_CAN,
    errno.ENODEV: "no such interface: `ip -br link` lists them; set `channel`, or plug the adapter in",
    errno.ENETDOWN: "the interface is down: ip link set CHANNEL up type can bitrate BITS_PER_S",
    errno.ENOENT: "no such device: set `channel`, or plug the adapter in",
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
}


def advice(error: Exception, interface: str) -> str:
    """Return what a person can do about a bus that cannot be opened, in brackets; "" where we do not know."""
    number = getattr(error, "error_code", None) or getattr(error, "errno", None)
    hint = _ADVICE.get(number or 0, "")
    if is_missing_library(error):
        hint = f"install the maker's driver and library that python-can's {interface!r} needs"
    return f" ({hint})" if hint else ""


def is_missing_library(error: BaseException | None) -> bool:
    """Return whether it fails for the maker's driver or library, which no waiting installs, and not for the adapter.

    An adapter that is not there has a number, or an error of a type of its own.
    """
    if isinstance(error, can.CanInterfaceNotImplementedError):
        return is_missing_library(error.__cause__)
    # A bare OSError: of ctypes, and of python-can's pcan. A NameError: of its kvaser, for what the library defines.
    return isinstance(error, ImportError | NameError) or (
        type(error) is OSError and error.errno is None
    )


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
        # Not `to_thread`: cancelled before its thread has begun, it would never begin.
        closing = asyncio.get_running_loop().run_in_executor(None, _close, bus, reader)
        await asyncio.shield(closing)


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
