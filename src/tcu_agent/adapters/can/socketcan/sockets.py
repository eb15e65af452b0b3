"""The two sockets of one bus, set up: `main` for what is wanted, `life` for a sign of anything else.

Source: Linux Documentation/networking/can.rst; include/uapi/asm-generic/socket.h (numbers that Python does not name).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.selection import Selection
from tcu_agent.adapters.can.socketcan.controller import Controller, KernelController
from tcu_agent.adapters.can.socketcan.filters import MOST_FILTERS, all_but, exactly

SO_RXQ_OVFL = 40
SO_TIMESTAMPNS_NEW = 64
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
"""The last is SK_MEMINFO_DROPS."""
_CAN_RAW_ERR_FILTER = 2
RECEIVE_BUFFER_BYTES = 4 << 20
"""The kernel doubles it and counts 768 bytes a frame: 10,900 frames, more than a second of a full 500 kbit/s bus."""
_ERROR_CLASSES = 0x0004 | 0x0040 | 0x0100
"""Controller's state, bus-off, restarted. The others come with each disturbed frame and tell no state."""


class RawSocket(Protocol):
    """What is needed of `socket.socket`; the tests have one of their own."""

    def fileno(self) -> int:
        """Return the descriptor; it must not block."""

    def recvmsg(
        self, bufsize: int, ancbufsize: int, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
        """Return one frame with its ancillary data and flags."""

    def send(self, data: bytes, /) -> int:
        """Hand one frame to the kernel."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return what the kernel says about an option."""

    def close(self) -> None:
        """Close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Both, open. `life` is None where the kernel passes every frame on anyway.

    `is_off`: whether the controller was bus-off when they were opened: it tells that to nobody again.
    `buffer_bytes`: receive buffer as the kernel granted it, in its own accounting.
    """

    main: RawSocket
    life: RawSocket | None
    selection: Selection
    controller: Controller
    is_off: bool = False
    buffer_bytes: int = 0

    def close(self) -> None:
        """Close both."""
        self.main.close()
        if self.life is not None:
            self.life.close()


def open_sockets(channel: str, *, fd: bool, selection: Selection) -> Sockets:
    """Open both on the interface `channel`.

    Raises:
        OSError: ENODEV no such interface, ENETDOWN it is down, EAFNOSUPPORT no CAN in the kernel, and others.
    """
    main = _open(channel)
    controller = KernelController(main, channel)
    try:
        if not controller.is_up():
            raise OSError(errno.ENETDOWN, "the interface is down")
        buffer_bytes = _set_up_main(main, fd=fd)
        is_off = controller.is_off()  # what comes after this, an error frame tells
        life = None
        # What we send comes back by the same filter, and has to: that is how we know that it is on the bus.
        wanted = None if selection.wanted is None else selection.wanted | selection.own
        if wanted is not None and len(wanted) <= MOST_FILTERS:
            _filter(main, exactly(wanted))
            life = _open_life(channel, fd=fd, own=selection.own)
    except BaseException:
        main.close()
        raise
    return Sockets(
        main=main,
        life=life,
        selection=selection,
        controller=controller,
        is_off=is_off,
        buffer_bytes=buffer_bytes,
    )


def dropped_by(opened: RawSocket) -> int | None:
    """Return how many frames the kernel has dropped so far because the socket was full, modulo 2^32.

    A frame only tells how many were dropped before itself. None: a kernel before 4.12 does not say.
    """
    try:
        answer = opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return None
    return int(_MEMINFO.unpack(answer)[-1]) if len(answer) == _MEMINFO.size else None


def _open(channel: str) -> socket.socket:
    opened = socket.socket(socket.AF_CAN, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.CAN_RAW)
    try:
        opened.bind((channel,))
    except BaseException:
        opened.close()
        raise
    return opened


def _set_up_main(main: socket.socket, *, fd: bool) -> int:
    main.setsockopt(socket.SOL_CAN_RAW, _CAN_RAW_ERR_FILTER, _ERROR_CLASSES)
    # Our own frames come back when they are on the bus, marked as ours (MSG_CONFIRM): until then they may wait.
    main.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_RECV_OWN_MSGS, 1)
    if fd:
        main.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
    main.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    with suppress(OSError):  # a kernel before 5.1: then a frame's time is when we read it
        main.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1)
    try:
        main.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:  # without CAP_NET_ADMIN: as much as net.core.rmem_max allows
        main.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return main.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def _open_life(channel: str, *, fd: bool, own: Collection[FrameKey]) -> socket.socket:
    life = _open(channel)
    try:
        # Room for two or three frames (the kernel's least): what does not fit costs it nothing more.
        life.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        life.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        with suppress(OSError):
            life.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1)
        if fd:
            life.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
        life.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_JOIN_FILTERS, 1)
        _filter(life, all_but(own))
    except BaseException:
        life.close()
        raise
    return life


def _filter(opened: socket.socket, filters: bytes) -> None:
    opened.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, filters)
