"""The other end of a CAN port in tests.

A second node on `virtual`, a slcan adapter at the far side of a pty, stand-ins for the kernel's sockets; and, where
`TCU_VCAN` says that there are virtual CAN interfaces (as root), one of these under each of the two adapters.
"""

from __future__ import annotations

import errno
import os
import queue
import select
import socket
import struct
import subprocess
import threading
import tty
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import can
from can.interfaces import virtual

from tcu_agent.adapters.can.bus import CanInterface, PythonCanBus
from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.sockets import Sockets
from tcu_agent.ports import CanFrame, CanPort
from tests.can.scripted_sockets import ScriptedSocket, scripted_sockets

WAIT_S = 10.0
"""For what must come; a test that waits for it fails instead of hanging."""


class CountingPort(CanPort, Protocol):
    def counters(self) -> BusCounters: ...


class Peer(Protocol):
    def port(self) -> CountingPort:
        """The port under test, on the same bus; not opened yet."""

    def send(self, frame: CanFrame) -> None: ...

    def received(self) -> CanFrame: ...

    def vanish(self) -> None: ...

    def close(self) -> None: ...


class VirtualPeer:
    """Another node on a channel of python-can's `virtual`."""

    def __init__(self) -> None:
        self.interface = CanInterface(interface="virtual", channel=f"test-{uuid.uuid4()}")
        self._bus = virtual.VirtualBus(channel=self.interface.channel)

    def port(self) -> CountingPort:
        return PythonCanBus(name="body", interface=self.interface)

    def send(self, frame: CanFrame) -> None:
        self._bus.send(
            can.Message(
                arbitration_id=frame.arbitration_id,
                data=frame.data,
                is_extended_id=frame.is_extended_id,
                is_remote_frame=frame.is_remote_frame,
            )
        )

    def received(self) -> CanFrame:
        message = self._bus.recv(WAIT_S)
        assert message is not None
        return CanFrame(message.arbitration_id, bytes(message.data), message.is_extended_id)

    def vanish(self) -> None:
        """Closes the bus under the port's hands, as a driver does whose device is unplugged."""
        with virtual.channels_lock:
            others = [
                one
                for one in virtual.channels[self.interface.channel]
                if one is not self._bus.queue
            ]
        for one in others:
            one.put(_Unplugged())  # type: ignore[arg-type]  # reading an attribute of it raises

    def close(self) -> None:
        self._bus.shutdown()


class _Unplugged:
    def __getattr__(self, name: str) -> object:
        raise can.CanOperationError("device unplugged")


class SlcanPeer:
    """An adapter that speaks slcan, such as a CANable: this end is the device, the port opens the other."""

    def __init__(self) -> None:
        self._device, self._line = os.openpty()
        tty.setraw(self._line)
        self.interface = CanInterface(
            interface="slcan", channel=os.ttyname(self._line), bitrate=500_000
        )
        self._frames: queue.Queue[CanFrame] = queue.Queue()
        self.commands: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def port(self) -> CountingPort:
        return PythonCanBus(name="body", interface=self.interface)

    def send(self, frame: CanFrame) -> None:
        kind = "r" if frame.is_remote_frame else "t"
        number = (
            f"{kind.upper()}{frame.arbitration_id:08X}"
            if frame.is_extended_id
            else f"{kind}{frame.arbitration_id:03X}"
        )
        self.write(f"{number}{len(frame.data)}{frame.data.hex().upper()}\r".encode())

    def write(self, line: bytes) -> None:
        os.write(self._device, line)

    def received(self) -> CanFrame:
        return self._frames.get(timeout=WAIT_S)

    def vanish(self) -> None:
        """Closes the device's end: the adapter is pulled."""
        if self._device >= 0:
            device, self._device = self._device, -1
            self._reader.join(WAIT_S)
            os.close(device)

    def close(self) -> None:
        self.vanish()
        os.close(self._line)

    def _read(self) -> None:
        buffer = b""
        while (device := self._device) >= 0:
            if not select.select([device], [], [], 0.02)[0]:
                continue
            buffer += os.read(device, 4096)
            *lines, buffer = buffer.split(b"\r")
            for line in lines:
                self._take(line.decode())

    def _take(self, line: str) -> None:
        if line[:1] == "t":
            self._frames.put(CanFrame(int(line[1:4], 16), bytes.fromhex(line[5:])))
        elif line[:1] == "T":
            self._frames.put(
                CanFrame(int(line[1:9], 16), bytes.fromhex(line[10:]), is_extended_id=True)
            )
        else:
            self.commands.append(line)


class ScriptedPeer:
    """The far end of stand-ins for the kernel's sockets: everything but the kernel is ours."""

    def __init__(self) -> None:
        self.sockets: list[ScriptedSocket] = []
        self._sent: queue.Queue[CanFrame] = queue.Queue()

    def port(self) -> CountingPort:
        return SocketCanBus(name="body", channel="can0", open_them=self._open)

    def _open(self) -> Sockets:
        main = ScriptedSocket(sent=self._sent)
        self.sockets.append(main)
        return scripted_sockets(main)

    def send(self, frame: CanFrame) -> None:
        self.sockets[-1].arrive(frame)

    def received(self) -> CanFrame:
        return self._sent.get(timeout=WAIT_S)

    def vanish(self) -> None:
        self.sockets[-1].fail(errno.ENODEV)

    def close(self) -> None:
        for one in self.sockets:
            one.close()


class VcanPeer:
    """A program of its own on a virtual CAN interface of the kernel, made for this test."""

    def __init__(self, make_port: Callable[[str], CountingPort]) -> None:
        self.name = f"t{uuid.uuid4().hex[:10]}"
        self._make_port = make_port
        _ip("link", "add", "dev", self.name, "type", "vcan")
        _ip("link", "set", self.name, "up")
        self._is_there = True
        self._socket = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        self._socket.bind((self.name,))
        self._socket.settimeout(WAIT_S)

    def port(self) -> CountingPort:
        return self._make_port(self.name)

    def send(self, frame: CanFrame) -> None:
        word = frame.arbitration_id | (socket.CAN_EFF_FLAG if frame.is_extended_id else 0)
        word |= socket.CAN_RTR_FLAG if frame.is_remote_frame else 0
        self._socket.send(_CAN_FRAME.pack(word, len(frame.data), frame.data))

    def received(self) -> CanFrame:
        word, length, data = _CAN_FRAME.unpack(self._socket.recv(_CAN_FRAME.size))
        is_extended = bool(word & socket.CAN_EFF_FLAG)
        return CanFrame(word & socket.CAN_EFF_MASK, data[:length], is_extended)

    def vanish(self) -> None:
        if self._is_there:
            self._is_there = False
            _ip("link", "delete", "dev", self.name)

    def close(self) -> None:
        self._socket.close()
        self.vanish()


_CAN_FRAME = struct.Struct("=IB3x8s")


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True)


def _native(interface: str) -> CountingPort:
    return SocketCanBus(name="body", channel=interface)


def _python_can(interface: str) -> CountingPort:
    options = CanInterface(interface="socketcan", channel=interface)
    return PythonCanBus(name="body", interface=options)


PEERS: dict[str, Callable[[], Peer]] = {
    "virtual": VirtualPeer,
    "slcan": SlcanPeer,
    "scripted": ScriptedPeer,
}
if os.environ.get("TCU_VCAN"):
    PEERS |= {
        "vcan native": lambda: VcanPeer(_native),
        "vcan python-can": lambda: VcanPeer(_python_can),
    }


@contextmanager
def peer_of(name: str) -> Iterator[Peer]:
    peer = PEERS[name]()
    try:
        yield peer
    finally:
        peer.close()
