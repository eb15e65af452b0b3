"""When the kernel took each frame in which a door moved, by its own stamp, and when the centre heard of it."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tcu_agent.adapters.can.socketcan.filters import exactly
from tcu_agent.adapters.can.socketcan.sockets import SO_TIMESTAMPNS_NEW
from tcu_agent.adapters.can.socketcan.stamps import TIMESPEC

_FRAME: Final = struct.Struct("=IB3xB7x")
"""Identifier, length and the first byte of data."""
MESSAGE: Final = "DoorStatus"
"""Two bits for each door, from the lowest of the first byte: 0 closed, 1 open. Source: dbc/reference.dbc."""
_BITS, _MASK, _OPEN = 2, 0x03, 1
PATHS: Final = tuple(
    f"Vehicle.Cabin.Door.{row}.{side}.IsOpen"
    for row in ("Row1", "Row2")
    for side in ("DriverSide", "PassengerSide")
)
"""In the order of the bits, which is also the order in which `load_wire` moves them."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A door's new position, and when: CLOCK_REALTIME, s."""

    at_s: float
    path: str
    is_open: bool


@dataclass(slots=True)
class DoorWatch:
    """Reads one raw socket. `moved`: by the kernel's stamp of the first frame that says so."""

    opened: socket.socket
    moved: list[Moved] = field(default_factory=list)
    _is_open: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(PATHS, False))

    def read(self) -> None:
        """Take what is there."""
        while True:
            try:
                raw, ancillary, _, _ = self.opened.recvmsg(_FRAME.size, socket.CMSG_SPACE(16))
            except BlockingIOError:
                return
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            self._note(_FRAME.unpack(raw)[2], seconds + nanoseconds / 1e9)

    def _note(self, positions: int, at_s: float) -> None:
        for number, path in enumerate(PATHS):
            is_open = positions >> _BITS * number & _MASK == _OPEN
            if self._is_open[path] != is_open:
                self._is_open[path] = is_open
                self.moved.append(Moved(at_s, path, is_open))


def latencies_s(moved: Sequence[Moved], told: Sequence[Moved]) -> list[float]:
    """Return how long each movement took to be told; one that was not told before the same comes again has none."""
    found = []
    for number, each in enumerate(moved):
        again = moved[number + 2 * len(PATHS) :]
        until_s = again[0].at_s if again else math.inf
        first = (
            one.at_s
            for one in told
            if (one.path, one.is_open) == (each.path, each.is_open)
            and each.at_s <= one.at_s < until_s
        )
        at_s = next(first, None)
        if at_s is not None:
            found.append(at_s - each.at_s)
    return found


@contextmanager
def watched_doors(channel: str, identifier: int) -> Iterator[DoorWatch]:
    """Listen to one message while the context lasts; all doors are closed before."""
    with socket.socket(
        socket.AF_CAN, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.CAN_RAW
    ) as opened:
        opened.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, exactly({(identifier, False)}))
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1)
        opened.bind((channel,))
        watch = DoorWatch(opened)
        loop = asyncio.get_running_loop()
        loop.add_reader(opened, watch.read)
        try:
            yield watch
        finally:
            loop.remove_reader(opened)
