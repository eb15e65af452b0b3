"""SocketCAN where the kernel has it: `vcan0` is the bus, the channel of every node."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tcu_sim.errors import BusUnreachable

INTERFACES = Path("/sys/class/net")
SO_RCVBUFFORCE = 33
"""Source: Linux include/uapi/asm-generic/socket.h; Python's `socket` lacks it."""
RECEIVE_BUFFER_BYTES = 8 << 20
"""About ten thousand frames, as the kernel counts them."""

_WITHOUT_VCAN = (
    "a virtual CAN interface needs root and the kernel's vcan, modprobe vcan; "
    "`tcu-sim bus --interface slcan` needs neither"
)


def kernel_has_can() -> bool:
    """Whether a CAN socket can be made at all."""
    try:
        socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW).close()
    except OSError:
        return False
    return True


def can_make_vcan() -> bool:
    """Whether it is worth trying to make one: a CAN kernel, root, and the `ip` tool."""
    return kernel_has_can() and os.geteuid() == 0 and shutil.which("ip") is not None


def is_worth_trying(channel: str) -> bool:
    """Whether the interface is there, or might be made."""
    return can_make_vcan() or (kernel_has_can() and (INTERFACES / channel).exists())


def make_vcan(channel: str) -> bool:
    """Bring the virtual CAN interface up; return whether it was made here.

    Raises:
        BusUnreachable: the kernel or the rights do not allow it.
    """
    made = not (INTERFACES / channel).exists()
    if made:
        try:
            _ip("link", "add", "dev", channel, "type", "vcan")
        except BusUnreachable as error:
            raise BusUnreachable(f"{error} ({_WITHOUT_VCAN})") from error
    try:
        if _state(channel) == "down" or made:
            _ip("link", "set", channel, "up")
    except BusUnreachable:
        if made:
            remove_vcan(channel)
        raise
    return made


def remove_vcan(channel: str) -> None:
    """Take the interface away again.

    Raises:
        BusUnreachable: it could not be removed.
    """
    _ip("link", "delete", channel)


def enlarge_receive_buffer(bus: object) -> None:
    """Let a python-can bus on SocketCAN hold seconds of a full bus; others are left as they are.

    The kernel's usual buffer holds 278 frames, a sixth of a second, and drops what comes then without a word.
    """
    raw = getattr(bus, "socket", None)
    if not isinstance(raw, socket.socket):
        return
    try:
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:  # it may only be as large as everybody's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


async def hold_vcan(channel: str, *, report: Callable[[dict[str, Any]], None]) -> None:
    """Provide the interface until SIGTERM or SIGINT.

    Raises:
        BusUnreachable: it cannot be made or brought up.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    made = make_vcan(channel)
    try:
        report({"event": "ready", "interface": "socketcan", "channel": channel, "made": made})
        await stop.wait()
    finally:
        if made:
            remove_vcan(channel)


def _state(channel: str) -> str:
    return (INTERFACES / channel / "operstate").read_text().strip()


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)
    except FileNotFoundError as error:
        raise BusUnreachable("the `ip` tool is missing (package iproute2)") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise BusUnreachable(f"ip {' '.join(arguments)}: {said}") from error
