"""Plays a prepared bus on a SocketCAN interface: ``python -m benchmarks.load_player vcan0 FILE``.

Says "ready", plays after a line on standard input, then says what it did, as JSON. Many frames go into one system call:
where such a call is dear, the player would else take the processor from who is measured. It imports nothing that loads
slowly.

The file: for each frame, native byte order, when it begins on the wire (s from the start, float64), whether the agent
listens to it (1 byte), its size (1 byte), and the kernel's bytes of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_MOST_AT_ONCE: Final = 64
_SHORTEST_PAUSE_S: Final = 0.001
_HEAD: Final = struct.Struct("=d?B")


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame for the kernel, when it begins on the wire (s from the start), and whether the agent listens to it."""

    at_s: float
    raw: bytes
    is_wanted: bool


def prepare(file: Path, what: Iterable[Sent]) -> None:
    """Write the file."""
    heads = ((_HEAD.pack(each.at_s, each.is_wanted, len(each.raw)), each.raw) for each in what)
    file.write_bytes(b"".join(head + raw for head, raw in heads))


def prepared(file: Path) -> list[Sent]:
    """Read the file."""
    found, content, at = [], file.read_bytes(), 0
    while at < len(content):
        at_s, is_wanted, size = _HEAD.unpack_from(content, at)
        start = at + _HEAD.size
        at = start + size
        found.append(Sent(at_s, content[start:at], is_wanted))
    return found


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = [  # type: ignore[mutable-override]  # the stubs have a tuple or a list, ctypes takes both
        ("base", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
    ]


class _Message(ctypes.Structure):
    """`struct mmsghdr`: a `struct msghdr` and how much of it was sent."""

    _fields_ = [  # type: ignore[mutable-override]  # the stubs have a tuple or a list, ctypes takes both
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was sent. `wanted`: frames that the agent listens to. `asked_s`: how long it should have taken."""

    frames: int
    wanted: int
    asked_s: float
    took_s: float
    latest_s: float


class Sender:
    """Sends frames with `sendmmsg`. Source: sendmmsg(2)."""

    def __init__(self, bus: socket.socket) -> None:
        self._bus = bus.fileno()
        self._messages = (_Message * _MOST_AT_ONCE)()
        self._pieces = (_Piece * _MOST_AT_ONCE)()
        for message, piece in zip(self._messages, self._pieces, strict=True):
            message.pieces = ctypes.pointer(piece)
            message.piece_count = 1

    def send(self, raws: Sequence[bytes]) -> None:
        """Send all of them, in order.

        Raises:
            OSError: the interface does not take them.
        """
        for piece, raw in zip(self._pieces, raws, strict=False):
            piece.base, piece.size = raw, len(raw)
        first = 0
        while first < len(raws):
            at = ctypes.byref(self._messages, first * ctypes.sizeof(_Message))
            sent = _LIBC.sendmmsg(self._bus, at, len(raws) - first, 0)
            if sent < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            first += sent


def play(what: Sequence[Sent], sender: Sender) -> tuple[float, float]:
    """Send each frame when it is due or after; return how long it took, and how late the latest was, s."""
    latest_s, started = 0.0, time.monotonic()
    rest = iter(what)
    waiting = next(rest, None)
    while waiting is not None:
        early_s = waiting.at_s - (time.monotonic() - started)
        if early_s > 0:
            time.sleep(max(early_s, _SHORTEST_PAUSE_S))  # noqa: TID251 -- the bus's own pace is what is asked for
        now_s = time.monotonic() - started
        latest_s = max(latest_s, now_s - waiting.at_s)
        due = [waiting.raw]
        waiting = None
        for each in rest:
            if each.at_s > now_s or len(due) == _MOST_AT_ONCE:
                waiting = each
                break
            due.append(each.raw)
        sender.send(due)
    return time.monotonic() - started, latest_s


def main(channel: str, file: Path) -> None:
    """Wait for the word, play."""
    what = prepared(file)
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as bus:
        bus.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
        bus.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, b"")  # it only sends
        bus.bind((channel,))
        print("ready", flush=True)
        sys.stdin.readline()
        took_s, latest_s = play(what, Sender(bus))
    played = Played(
        frames=len(what),
        wanted=sum(each.is_wanted for each in what),
        asked_s=what[-1].at_s,
        took_s=took_s,
        latest_s=latest_s,
    )
    print(json.dumps(asdict(played)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
