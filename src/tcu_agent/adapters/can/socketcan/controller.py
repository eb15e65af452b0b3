"""What the kernel knows about the controller behind an interface, beyond what its error frames have told.

An error frame is told once, to who listens then. Who opens the bus later, or was too slow, has to ask: for the state
(netlink), for the flag of the interface, and for how many frames have been on the bus (its statistics).

Source: Linux rtnetlink(7), netdevice(7); include/uapi/linux/can/netlink.h;
Documentation/ABI/testing/sysfs-class-net-statistics.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_STATISTICS = Path("/sys/class/net")
_SIOCGIFFLAGS = 0x8913
IFF_UP, _IFF_RUNNING = 0x01, 0x40
_IFREQ = struct.Struct("16sH14x")

_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_IFLA_IFNAME, _IFLA_LINKINFO = 3, 18
_INFO_DATA = 2
_CAN_STATE = 4
_STATE = struct.Struct("=I")
_BUS_OFF = 3
_TYPE_MASK = 0x3FFF
_ANSWER_BYTES = 1 << 16
_COUNT_BYTES = 32


class Controller(Protocol):
    """What sending needs to know; the tests have one of their own."""

    def is_running(self) -> bool:
        """Return whether the kernel passes frames on to the driver; quick.

        Raises:
            OSError: there is no such interface any more.
        """

    def is_off(self) -> bool:
        """Return whether the controller is bus-off.

        Raises:
            OSError: there is no such interface any more.
        """

    def sent(self) -> int | None:
        """Return how many frames of this machine have been on the bus; None: nobody counts them."""


class KernelController:
    """Implements `Controller` for one interface."""

    def __init__(self, opened: socket.socket, channel: str) -> None:
        """`opened`: any socket, for asking."""
        self._opened = opened
        self._channel = channel
        self._counter = _STATISTICS / channel / "statistics" / "tx_packets"

    def is_up(self) -> bool:
        """Return whether the link is up.

        Raises:
            OSError: there is no such interface.
        """
        return bool(self._flags() & IFF_UP)

    def is_running(self) -> bool:
        """See `Controller`."""
        return bool(self._flags() & _IFF_RUNNING)

    def is_off(self) -> bool:
        """See `Controller`. The flag, which may be late by a second, decides only where there is no state."""
        state = can_state(self._channel)
        return not self.is_running() if state is None else state == _BUS_OFF

    def sent(self) -> int | None:
        """See `Controller`."""
        try:
            number = os.open(self._counter, os.O_RDONLY)
        except OSError:
            return None
        try:
            return int(os.read(number, _COUNT_BYTES))
        except (OSError, ValueError):
            return None
        finally:
            os.close(number)

    def _flags(self) -> int:
        request = _IFREQ.pack(self._channel.encode(), 0)
        answer = fcntl.ioctl(self._opened.fileno(), _SIOCGIFFLAGS, request)
        flags: int = _IFREQ.unpack(answer)[1]
        return flags


def can_state(channel: str) -> int | None:
    """Return `enum can_state` of an interface: 0 error-active .. 3 bus-off, 4 stopped; None: it has no controller."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK) as asking:
            asking.send(_question(channel))
            return state_in(asking.recv(_ANSWER_BYTES))
    except OSError:
        return None


def state_in(answer: bytes) -> int | None:
    """Return the state in an answer to RTM_GETLINK, or None if it tells none."""
    if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[1] != _RTM_NEWLINK:
        return None
    content = answer[_HEADER.size + _IFINFO.size :]
    for kind in (_IFLA_LINKINFO, _INFO_DATA, _CAN_STATE):
        content = dict(_attributes(content)).get(kind, b"")
    return _STATE.unpack(content)[0] if len(content) == _STATE.size else None


def _question(channel: str) -> bytes:
    name = channel.encode() + b"\0"
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(name), _IFLA_IFNAME)
    body += name.ljust(_aligned(len(name)), b"\0")
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0) + body


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    while len(content) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(content)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, content[_ATTRIBUTE.size : length]
        content = content[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
