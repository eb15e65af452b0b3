"""The other end of a CAN port in tests: a second node on `virtual`, and a slcan adapter at the far side of a pty."""

from __future__ import annotations

import os
import queue
import select
import threading
import tty
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import can
from can.interfaces import virtual

from tcu_agent.adapters.can.bus import CanInterface
from tcu_agent.ports import CanFrame

WAIT_S = 10.0
"""For what must come; a test that waits for it fails instead of hanging."""


class Peer(Protocol):
    interface: CanInterface

    def send(self, frame: CanFrame) -> None: ...

    def received(self) -> CanFrame: ...

    def vanish(self) -> None: ...

    def close(self) -> None: ...


class VirtualPeer:
    """Another node on a channel of python-can's `virtual`."""

    def __init__(self) -> None:
        self.interface = CanInterface(interface="virtual", channel=f"test-{uuid.uuid4()}")
        self._bus = virtual.VirtualBus(channel=self.interface.channel)

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


PEERS: dict[str, Callable[[], Peer]] = {"virtual": VirtualPeer, "slcan": SlcanPeer}


@contextmanager
def peer_of(name: str) -> Iterator[Peer]:
    peer = PEERS[name]()
    try:
        yield peer
    finally:
        peer.close()
